package dev.gatun.libtorch;

import dev.gatun.Device;
import dev.gatun.Mirror;
import dev.gatun.Optimizer;
import dev.gatun.Parameter;
import dev.gatun.ParameterGroup;
import dev.gatun.Rule;
import dev.gatun.Schedule;
import dev.gatun.StepReport;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
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
public final class GatunStep implements AutoCloseable {
    private final ModuleParameters parameters;
    private final Arena arena;
    /** Empty where the tensors are in the device's own memory. */
    private final Mirror mirror;

    private final Optimizer optimizer;
    private final long[] weights; // the address of each parameter when this was built
    private final long[] gradients; // the address bound for each parameter, 0 for none

    private GatunStep(Builder builder) {
        parameters = ModuleParameters.of(builder.module);
        int count = parameters.trained().size();
        weights = new long[count];
        gradients = new long[count];
        arena = Arena.ofConfined();
        Mirror made = null;
        boolean built = false;
        try {
            List<Parameter> views = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                ModuleParameters.Entry entry = parameters.trained().get(i);
                weights[i] = TorchTensors.address(entry.tensor());
                views.add(Parameter.of(entry.path(), TorchTensors.of(entry.tensor(), arena)));
            }
            made = Mirror.of(builder.device, views);
            mirror = made;
            ParameterGroup group = ParameterGroup.of(builder.rule, mirror.parameters());
            optimizer = Optimizer.builder(builder.device)
                    .group((builder.decayVectors ? group : group.withoutDecayOfVectors())
                            .withSchedule(builder.schedule))
                    .checkFinite(builder.checkFinite)
                    .zeroGradients(true)
                    .build();
            built = true;
        } finally {
            if (!built) {
                if (made != null) {
                    made.close();
                }
                arena.close();
                parameters.close();
            }
        }
    }

    /**
     * Starts the description of a step over a module's parameters.
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
        for (ModuleParameters.Entry entry : parameters.frozen()) {
            if (entry.tensor().requires_grad()) {
                throw new IllegalStateException("parameter " + entry.path()
                        + " required no gradient when this step was built and does now; build a new GatunStep");
            }
        }
        if (moved) {
            bind();
        }
        mirror.step(optimizer);
    }

    /** Where the gradient of parameter i is now; 0 if it has none, or does not want one. */
    private long gradientAddress(int i) {
        ModuleParameters.Entry entry = parameters.trained().get(i);
        if (TorchTensors.address(entry.tensor()) != weights[i]) {
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

    private void bind() {
        for (int i = 0; i < gradients.length; i++) {
            Tensor weight = parameters.trained().get(i).tensor();
            if (gradients[i] == 0 && weight.requires_grad()) {
                try (Tensor gradient = weight.grad()) {
                    if (gradient.defined()) {
                        mirror.bindGradient(optimizer, i, TorchTensors.of(gradient, arena));
                        gradients[i] = TorchTensors.address(gradient);
                    }
                }
            }
        }
    }

    /**
     * Multiplies every gradient by a factor before anything else sees it: 1 / loss scale, or 1 / number of backward
     * passes.
     */
    public void gradientScale(double scale) {
        optimizer.gradientScale(scale);
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

    /** Reads a checkpoint of the same optimizer and module, weights included, so that training goes on bit for bit. */
    public void load(Path file) throws IOException {
        optimizer.load(file);
        mirror.downloadWeights();
    }

    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            optimizer.close();
            mirror.close();
            arena.close();
            parameters.close();
        }
    }

    /** What a step is made of. */
    public static final class Builder {
        private final Module module;
        private final Device device;
        private final Rule rule;
        private Schedule schedule = Schedule.constant();
        private boolean decayVectors = true;
        private boolean checkFinite = true;

        private Builder(Module module, Device device, Rule rule) {
            this.module = Objects.requireNonNull(module, "module");
            this.device = Objects.requireNonNull(device, "device");
            this.rule = Objects.requireNonNull(rule, "rule");
        }

        /** The learning rate at every step; constant by default. */
        public Builder schedule(Schedule schedule) {
            this.schedule = Objects.requireNonNull(schedule, "schedule");
            return this;
        }

        /** Whether weight decay applies to biases and gains, too; true by default, as in {@code torch::optim}. */
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
         * Builds the step and its state, zero-filled.
         *
         * @throws IllegalArgumentException if nothing is to be trained, or a parameter cannot be used where it is
         */
        public GatunStep build() {
            return new GatunStep(this);
        }
    }
}
