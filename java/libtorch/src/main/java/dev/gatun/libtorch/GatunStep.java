package dev.gatun.libtorch;

import dev.gatun.Device;
import dev.gatun.FrameworkStep;
import dev.gatun.LossScaling;
import dev.gatun.Mirror;
import dev.gatun.Optimizer;
import dev.gatun.OptimizerBuilder;
import dev.gatun.Parameter;
import dev.gatun.Rounding;
import dev.gatun.Rule;
import java.lang.foreign.Arena;
import java.util.List;
import java.util.Objects;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;

/**
 * Takes the place of a {@code torch::optim} optimizer: one native call updates all parameters of a module where they
 * are, and zeroes their gradients in the same pass.
 *
 * <pre>{@code
 * try (var step = GatunStep.builder(module, device, Rule.parse("adamw(lr=0.001)")).build()) {
 *     for (var batch : batches) {
 *         loss(module.forward(batch)).backward();
 *         step.step();
 *     }
 *     step.save(Path.of("run.safetensors"));
 * }
 * }</pre>
 *
 * <p>Parameters are known by their path in the module, for example {@code encoder.weight}. One that does not require a
 * gradient is left alone; one that stops requiring it is skipped from then on, and goes on when it does again.
 * Gradients add up over several backward passes until a step is taken; {@code zero_grad()} is not needed. Like the
 * {@link Optimizer} it is made of, it belongs to the thread that built it.
 */
public final class GatunStep extends FrameworkStep {
    private final ModuleParameters parameters;
    private final long[] weights; // the address of each parameter when this was built

    private GatunStep(Builder builder, ModuleParameters parameters) {
        super(builder, arena -> views(parameters, arena));
        this.parameters = parameters;
        weights = parameters.trained().stream()
                .mapToLong(entry -> TorchTensors.address(entry.tensor()))
                .toArray();
    }

    private static List<Parameter> views(ModuleParameters parameters, Arena arena) {
        return parameters.trained().stream()
                .map(entry -> Parameter.of(entry.path(), TorchTensors.of(entry.tensor(), arena)))
                .toList();
    }

    /**
     * Starts the description of a step over a module's parameters. Weight decay applies to biases and gains, too, as in
     * {@code torch::optim}, unless {@link Builder#decayVectors decayVectors(false)} says otherwise.
     *
     * @param module with its parameters where they are to stay
     * @param device where the step is computed. Where the tensors are on the CPU and the device is a GPU, gradients and
     *     weights cross at every step, see {@link Mirror}
     * @param rule the optimizer, with its learning rate
     */
    public static Builder builder(Module module, Device device, Rule rule) {
        return new Builder(module, device, rule);
    }

    /**
     * Updates all parameters that have a gradient and zeroes these gradients; a backward pass has to come first.
     *
     * @throws IllegalStateException if no parameter has a gradient, if a parameter moved ({@code to(...)}), if one that
     *     required no gradient when this was built does now, or if this is closed
     */
    public void step() {
        bindGradients();
        for (ModuleParameters.Entry entry : parameters.frozen()) {
            if (entry.tensor().requires_grad()) {
                throw new IllegalStateException("parameter " + entry.path()
                        + " required no gradient when this step was built and does now; build a new GatunStep");
            }
        }
        update();
    }

    @Override
    protected long gradientAddress(int index) {
        ModuleParameters.Entry entry = parameters.trained().get(index);
        if (TorchTensors.address(entry.tensor()) != weights[index]) {
            throw new IllegalStateException("parameter " + entry.path()
                    + " was moved after this step was built, by to(...) or set_data(...); build a new GatunStep");
        }
        if (!entry.tensor().requires_grad()) {
            return 0;
        }
        try (Tensor gradient = entry.tensor().grad()) {
            return gradient.defined() ? TorchTensors.address(gradient) : 0;
        }
    }

    @Override
    protected dev.gatun.Tensor gradient(int index, Arena arena) {
        try (Tensor gradient = parameters.trained().get(index).tensor().grad()) {
            return TorchTensors.of(gradient, arena);
        }
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
            super.close();
            parameters.close();
        }
    }

    /** What a step is made of. */
    public static final class Builder extends FrameworkStep.Builder<GatunStep, Builder> {
        private final Module module;
        private Rounding rounding = Rounding.NEAREST;
        private LossScaling lossScaling;

        private Builder(Module module, Device device, Rule rule) {
            super(device, rule, true);
            this.module = Objects.requireNonNull(module, "module");
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
         * Scales the loss so that gradients of Half neither vanish nor overflow: multiply it with
         * {@link GatunStep#lossScale}.
         */
        public Builder lossScaling(LossScaling lossScaling) {
            this.lossScaling = Objects.requireNonNull(lossScaling, "lossScaling");
            return this;
        }

        /** How tensors of Half and BFloat16 are rounded from their F32 masters; to nearest by default. */
        public Builder rounding(Rounding rounding) {
            this.rounding = Objects.requireNonNull(rounding, "rounding");
            return this;
        }

        @Override
        public GatunStep build() {
            ModuleParameters parameters = ModuleParameters.of(module);
            try {
                return new GatunStep(this, parameters);
            } catch (RuntimeException e) {
                parameters.close();
                throw e;
            }
        }
    }
}
