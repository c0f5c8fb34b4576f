package dev.gatun.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.nn.Block;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import dev.gatun.Device;
import dev.gatun.LossScaling;
import dev.gatun.Mirror;
import dev.gatun.Optimizer;
import dev.gatun.OptimizerBuilder;
import dev.gatun.OptimizerListener;
import dev.gatun.Parameter;
import dev.gatun.ParameterGroup;
import dev.gatun.Rounding;
import dev.gatun.Rule;
import dev.gatun.Schedule;
import dev.gatun.StepReport;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
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
 * unfrozen. Rules that look at what layers are fed with see it where layers are in a {@link FedBlock}. Gradients add up over several backward passes until a step is taken. Like the {@link Optimizer} it is
 * made of, it belongs to the thread that built it.
 *
 * <p>Arrays may be FLOAT32, FLOAT64 or FLOAT16. One of FLOAT16 has an F32 master here, which the rule works on; after
 * {@link #load}, or a step, the array is its rounding. What is written into such an array afterwards, the next step
 * overwrites.
 */
public final class GatunStep implements AutoCloseable {
    private final List<BlockParameters.Entry> trained;
    private final List<BlockParameters.Entry> frozen;
    private final Arena arena;
    /** Empty where the arrays are in the device's own memory. */
    private final Mirror mirror;

    private final Optimizer optimizer;
    private final LayerInputs inputs;
    private final long[] gradients; // the address bound for each parameter, 0 for none

    private GatunStep(Builder builder) {
        BlockParameters parameters = BlockParameters.of(builder.block);
        trained = parameters.trained();
        frozen = parameters.frozen();
        gradients = new long[trained.size()];
        arena = Arena.ofConfined();
        Mirror made = null;
        boolean built = false;
        try {
            List<Parameter> views = new ArrayList<>();
            for (BlockParameters.Entry entry : trained) {
                Parameter view = Parameter.of(entry.path(), DjlTensors.of(entry.array(), arena))
                        .withGroups(LayerInputs.groups(builder.block, entry.parameter()));
                boolean vector = entry.array().getShape().dimension() < 2;
                views.add(vector && !builder.decayVectors ? view.withoutDecay() : view);
            }
            made = Mirror.of(builder.device, views);
            mirror = made;
            ParameterGroup group =
                    ParameterGroup.of(builder.rule, mirror.parameters()).withSchedule(builder.schedule);
            OptimizerBuilder options = Optimizer.builder(builder.device)
                    .group(group)
                    .checkFinite(builder.checkFinite)
                    .zeroGradients(true)
                    .rounding(builder.rounding);
            builder.listeners.forEach(options::listener);
            if (builder.lossScaling != null) {
                options.lossScaling(builder.lossScaling);
            }
            optimizer = options.build();
            inputs = new LayerInputs(builder.block, trained, optimizer, arena);
            built = true;
        } finally {
            if (!built) {
                if (made != null) {
                    made.close();
                }
                arena.close();
            }
        }
    }

    /**
     * Starts the description of a step over a block's parameters.
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
        if (!arena.scope().isAlive()) {
            throw new IllegalStateException("this GatunStep is closed");
        }
        // What has moved is unbound before anything is bound: one gradient may lie where another has been.
        boolean moved = false;
        boolean any = false;
        for (int i = 0; i < gradients.length; i++) {
            long address = gradientAddress(i);
            any |= address != 0;
            if (address != gradients[i]) {
                mirror.bindGradient(optimizer, i, null);
                gradients[i] = 0;
                moved |= address != 0;
            }
        }
        if (!any) {
            throw new IllegalStateException("no parameter has a gradient: step() comes after a backward pass");
        }
        if (moved) {
            bind();
        }
        for (BlockParameters.Entry entry : frozen) {
            if (entry.parameter().requiresGradient()) {
                throw new IllegalStateException("parameter " + entry.path()
                        + " was frozen when this step was built and is not any more; build a new GatunStep");
            }
        }
        inputs.bind();
        mirror.step(optimizer);
        inputs.taken();
    }

    /** Where the gradient of parameter i is now; 0 if it has none, or is frozen. */
    private long gradientAddress(int i) {
        BlockParameters.Entry entry = trained.get(i);
        NDArray weight = entry.parameter().getArray();
        if (weight != entry.array()) {
            throw new IllegalStateException("parameter " + entry.path()
                    + " got another array after this step was built; build a new GatunStep");
        }
        try (PtNDArray gradient = gradient(entry)) {
            return gradient == null ? 0 : TorchMemory.address(gradient);
        }
    }

    private void bind() {
        for (int i = 0; i < gradients.length; i++) {
            if (gradients[i] == 0) {
                try (PtNDArray gradient = gradient(trained.get(i))) {
                    if (gradient != null) {
                        mirror.bindGradient(optimizer, i, DjlTensors.of(gradient, arena));
                        gradients[i] = TorchMemory.address(gradient);
                    }
                }
            }
        }
    }

    /** A handle to be closed: left open, one per parameter and step would pile up in the weights' manager. */
    private static PtNDArray gradient(BlockParameters.Entry entry) {
        // NDArray.getGradient() makes up a new array of zeros where there is no gradient yet; this says null.
        return entry.parameter().requiresGradient() ? JniUtils.getGradient((PtNDArray) entry.array()) : null;
    }

    /**
     * Multiplies every gradient by a factor before anything else sees it: 1 / loss scale, or 1 / number of backward
     * passes.
     */
    public void gradientScale(double scale) {
        optimizer.gradientScale(scale);
    }

    /**
     * What to multiply the loss with before the backward passes of the next step, which divides by it; ask again after every
     * step. 1 without {@link Builder#lossScaling}.
     */
    public double lossScale() {
        return optimizer.lossScale();
    }

    /**
     * What the last step did; a step with a NaN or an infinity in a gradient is refused, and this names the parameter.
     */
    public StepReport report() {
        return optimizer.report();
    }

    /** Calls of {@link #step()} so far, those before the checkpoint that was loaded included. */
    public long steps() {
        return optimizer.steps();
    }

    /** The optimizer behind this step, for its state and its parameters. It is closed by {@link #close()}. */
    public Optimizer optimizer() {
        return optimizer;
    }

    /**
     * Writes weights, optimizer state and step counters to a checkpoint; an older file of this name stays until it is
     * whole.
     */
    public void save(Path file) throws IOException {
        optimizer.save(file);
    }

    /** Reads a checkpoint of the same optimizer and block, weights included, so that training goes on bit for bit. */
    public void load(Path file) throws IOException {
        optimizer.load(file);
        mirror.downloadWeights();
    }

    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            inputs.close();
            optimizer.close();
            mirror.close();
            arena.close();
        }
    }

    /** What a step is made of. */
    public static final class Builder {
        private final Block block;
        private final Device device;
        private final Rule rule;
        private Schedule schedule = Schedule.constant();
        private boolean decayVectors = true;
        private boolean checkFinite = true;
        private Rounding rounding = Rounding.NEAREST;
        private LossScaling lossScaling;
        private final List<OptimizerListener> listeners = new ArrayList<>();

        private Builder(Block block, Device device, Rule rule) {
            this.block = Objects.requireNonNull(block, "block");
            this.device = Objects.requireNonNull(device, "device");
            this.rule = Objects.requireNonNull(rule, "rule");
        }

        /** The learning rate at every step; constant by default. */
        public Builder schedule(Schedule schedule) {
            this.schedule = Objects.requireNonNull(schedule, "schedule");
            return this;
        }

        /**
         * Whether weight decay applies to biases and gains (fewer than two dimensions), too; true by default, as in
         * DJL.
         */
        public Builder decayVectors(boolean decayVectors) {
            this.decayVectors = decayVectors;
            return this;
        }

        /** Whether a step is refused when a gradient has a NaN or an infinity; true by default. */
        public Builder checkFinite(boolean checkFinite) {
            this.checkFinite = checkFinite;
            return this;
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

        /** Adds somebody who is told of steps, refused steps and checkpoints. */
        public Builder listener(OptimizerListener listener) {
            listeners.add(Objects.requireNonNull(listener, "listener"));
            return this;
        }

        /**
         * Builds the step and its state, zero-filled.
         *
         * @throws IllegalStateException if the block is not initialized
         * @throws IllegalArgumentException if nothing is to be trained, or an array cannot be used where it is
         */
        public GatunStep build() {
            return new GatunStep(this);
        }
    }
}
