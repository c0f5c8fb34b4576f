package dev.gatun.djl;

import ai.djl.nn.Block;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import dev.gatun.Device;
import dev.gatun.FrameworkStep;
import dev.gatun.LossScaling;
import dev.gatun.Mirror;
import dev.gatun.Optimizer;
import dev.gatun.OptimizerBuilder;
import dev.gatun.Parameter;
import dev.gatun.Rounding;
import dev.gatun.Rule;
import dev.gatun.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Objects;

/**
 * Takes the place of {@code Trainer.step()}: one native call updates all parameters of a block where they are, and
 * zeroes their gradients in the same pass.
 *
 * <pre>{@code
 * trainer.initialize(new Shape(batch, inputs));
 * try (var step = GatunStep.builder(model.getBlock(), device, Rule.parse("adamw(lr=0.004)")).build()) {
 *     for (var batch : batches) {
 *         try (var collector = trainer.newGradientCollector()) {
 *             collector.backward(loss(trainer, batch));
 *         }
 *         step.step();
 *     }
 *     step.save(Path.of("run.safetensors"));
 * }
 * }</pre>
 *
 * <p>Parameters are known by their path in the block, for example {@code 02Linear_weight}. Running statistics and
 * frozen parameters are left alone; a parameter that is frozen later is skipped from then on, and goes on when it is
 * unfrozen. Rules that look at what layers are fed with see it where layers are in a
 * {@link FedBlock}. Gradients add up over several backward passes until a step is taken. Like the {@link Optimizer} it
 * is made of, it belongs to the thread that built it.
 *
 * <p>Arrays may be FLOAT32, FLOAT64 or FLOAT16. One of FLOAT16 has an F32 master here, which the rule works on; after
 * {@link #load}, or a step, the array is its rounding. What is written into such an array afterwards, the next step
 * overwrites.
 */
public final class GatunStep extends FrameworkStep {
    private final List<BlockParameters.Entry> trained;
    private final List<BlockParameters.Entry> frozen;
    private final LayerInputs inputs;
    private final long[] weights; // the address of each parameter when this was built

    private GatunStep(Builder builder, BlockParameters parameters) {
        super(builder, arena -> views(builder.block, parameters, arena));
        trained = parameters.trained();
        weights = trained.stream()
                .mapToLong(entry -> TorchMemory.address((PtNDArray) entry.array()))
                .toArray();
        frozen = parameters.frozen();
        inputs = new LayerInputs(builder.block, trained, optimizer(), arena());
    }

    private static List<Parameter> views(Block block, BlockParameters parameters, Arena arena) {
        return parameters.trained().stream()
                .map(entry -> Parameter.of(entry.path(), DjlTensors.of(entry.array(), arena))
                        .withGroups(LayerInputs.groups(block, entry.parameter())))
                .toList();
    }

    /**
     * Starts the description of a step over a block's parameters. Weight decay applies to biases and gains, too, as in
     * DJL, unless {@link Builder#decayVectors decayVectors(false)} says otherwise.
     *
     * @param block initialized: its parameters have arrays
     * @param device where the step is computed. Where the arrays are on the CPU and the device is a GPU, gradients and
     *     weights cross at every step, see {@link Mirror}
     * @param rule the optimizer, with its learning rate
     */
    public static Builder builder(Block block, Device device, Rule rule) {
        return new Builder(block, device, rule);
    }

    /**
     * Updates all parameters that have a gradient and zeroes these gradients; a backward pass has to come first.
     *
     * @throws IllegalStateException if no parameter has a gradient, if the array of a parameter was replaced, if a
     *     parameter that was frozen when this was built is not any more, or if this is closed
     */
    public void step() {
        bindGradients();
        for (BlockParameters.Entry entry : frozen) {
            if (entry.parameter().requiresGradient()) {
                throw new IllegalStateException("parameter " + entry.path()
                        + " was frozen when this step was built and is not any more; build a new GatunStep");
            }
        }
        inputs.bind();
        update();
        inputs.taken();
    }

    @Override
    protected long gradientAddress(int index) {
        BlockParameters.Entry entry = trained.get(index);
        if (entry.parameter().getArray() != entry.array()) {
            throw new IllegalStateException("parameter " + entry.path()
                    + " got another array after this step was built; build a new GatunStep");
        }
        if (TorchMemory.address((PtNDArray) entry.array()) != weights[index]) {
            throw new IllegalStateException("parameter " + entry.path() + " was moved after this step was built, by"
                    + " NDArray.set(float[]) or copyTo(...); write into it with set(new NDIndex(\":\"), source), or build a"
                    + " new GatunStep");
        }
        try (PtNDArray gradient = gradient(entry)) {
            return gradient == null ? 0 : TorchMemory.address(gradient);
        }
    }

    @Override
    protected Tensor gradient(int index, Arena arena) {
        try (PtNDArray gradient = gradient(trained.get(index))) {
            return DjlTensors.of(gradient, arena);
        }
    }

    /** A handle to be closed: left open, one per parameter and step would pile up in the weights' manager. */
    private static PtNDArray gradient(BlockParameters.Entry entry) {
        // NDArray.getGradient() makes up a new array of zeros where there is no gradient yet; this says null.
        return entry.parameter().requiresGradient() ? JniUtils.getGradient((PtNDArray) entry.array()) : null;
    }

    /**
     * What to multiply the loss with before the backward passes of the next step, which divides by it; ask again after every
     * step. 1 without {@link Builder#lossScaling}.
     */
    public double lossScale() {
        return optimizer().lossScale();
    }

    @Override
    public void close() {
        if (isOpen()) {
            inputs.close();
        }
        super.close();
    }

    /** What a step is made of. */
    public static final class Builder extends FrameworkStep.Builder<GatunStep, Builder> {
        private final Block block;
        private Rounding rounding = Rounding.NEAREST;
        private LossScaling lossScaling;

        private Builder(Block block, Device device, Rule rule) {
            super(device, rule, true);
            this.block = Objects.requireNonNull(block, "block");
        }

        @Override
        protected Builder self() {
            return this;
        }

        @Override
        protected void configure(OptimizerBuilder options) {
            options.zeroGradients(true).rounding(rounding);
            if (lossScaling != null) {
                options.lossScaling(lossScaling);
            }
        }

        /**
         * Scales the loss so that gradients of FLOAT16 neither vanish nor overflow: multiply it with
         * {@link GatunStep#lossScale}.
         */
        public Builder lossScaling(LossScaling lossScaling) {
            this.lossScaling = Objects.requireNonNull(lossScaling, "lossScaling");
            return this;
        }

        /** How arrays of FLOAT16 are rounded from their F32 masters; to nearest by default. */
        public Builder rounding(Rounding rounding) {
            this.rounding = Objects.requireNonNull(rounding, "rounding");
            return this;
        }

        /**
         * Builds the step and its state, zero-filled.
         *
         * @throws IllegalStateException if the block is not initialized
         * @throws IllegalArgumentException if nothing is to be trained, or an array cannot be used where it is
         */
        @Override
        public GatunStep build() {
            return new GatunStep(this, BlockParameters.of(block));
        }
    }
}
