package dev.gatun;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;

/**
 * What takes the place of a framework's optimizer, less the framework: for those who write an adapter. A subclass says
 * which tensors are trained and where the framework keeps their gradients at the moment; this class builds the
 * {@link Optimizer}, follows gradients that the framework allocates anew, keeps twins where the device is a GPU and the
 * framework computes in host memory ({@link Mirror}), and has what every such step offers its users.
 *
 * <pre>{@code
 * public final class NetStep extends FrameworkStep {
 *     private final Net net;
 *
 *     private NetStep(Builder builder) {
 *         super(builder, arena -> List.of(Parameter.of("w", builder.net.weight().tensor(arena))));
 *         net = builder.net;
 *     }
 *
 *     public void step() {
 *         bindGradients(); // asks gradientAddress and gradient
 *         update();
 *     }
 *
 *     @Override
 *     protected long gradientAddress(int index) {
 *         return net.gradient() == null ? 0 : net.gradient().address();
 *     }
 *
 *     @Override
 *     protected Tensor gradient(int index, Arena arena) {
 *         return net.gradient().tensor(arena);
 *     }
 * }
 * }</pre>
 *
 * <p>Like the optimizer it is made of, a step belongs to the thread that built it.
 */
public abstract class FrameworkStep implements AutoCloseable {
    private final Arena arena;
    /** Empty where the tensors are in the device's own memory. */
    private final Mirror mirror;

    private final Optimizer optimizer;
    /** The address bound for each parameter, 0 for none. */
    private final long[] bound;

    /**
     * Builds the optimizer and its state, zero-filled; what was made so far is released if that fails.
     *
     * @param parameters what is trained: views in the arena given, which is closed by {@link #close}
     */
    protected FrameworkStep(Builder<?, ?> builder, Function<Arena, List<Parameter>> parameters) {
        arena = Arena.ofConfined();
        Mirror made = null;
        boolean built = false;
        try {
            ParameterGroup group = ParameterGroup.of(builder.rule, parameters.apply(arena));
            if (!builder.decayVectors) {
                group = group.withoutDecayOfVectors(); // before the mirror, which knows its optimizer by the parameters
            }
            made = Mirror.of(builder.device, group.parameters());
            mirror = made;
            bound = new long[mirror.parameters().size()];
            OptimizerBuilder options = Optimizer.builder(builder.device)
                    .group(ParameterGroup.of(builder.rule, mirror.parameters()).withSchedule(builder.schedule))
                    .checkFinite(builder.checkFinite);
            builder.listeners.forEach(options::listener);
            builder.configure(options);
            optimizer = options.build();
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
     * Where the gradient of a parameter is now; called for every parameter at every step, so nothing should be allocated.
     *
     * @return its address, 0 if there is none or the parameter is not to be updated
     */
    protected abstract long gradientAddress(int index);

    /** The gradient that is at {@link #gradientAddress}, which is not 0; called when it is not the one bound. */
    protected abstract Tensor gradient(int index, Arena arena);

    /**
     * Binds the gradients that are elsewhere than at the last step.
     *
     * @throws IllegalStateException if this is closed, or no parameter has a gradient
     */
    protected final void bindGradients() {
        requireOpen();
        // What has moved is unbound before anything is bound: one gradient may lie where another has been.
        boolean moved = false;
        boolean any = false;
        for (int i = 0; i < bound.length; i++) {
            long address = gradientAddress(i);
            any |= address != 0;
            if (address != bound[i]) {
                mirror.bindGradient(optimizer, i, null);
                bound[i] = 0;
                moved |= address != 0;
            }
        }
        if (!any) {
            throw new IllegalStateException("no parameter has a gradient: step() comes after a backward pass");
        }
        for (int i = 0; moved && i < bound.length; i++) {
            long address = bound[i] == 0 ? gradientAddress(i) : 0;
            if (address != 0) {
                mirror.bindGradient(optimizer, i, gradient(i, arena));
                bound[i] = address;
            }
        }
    }

    /** Steps with the gradients that are bound. */
    protected final void update() {
        requireOpen();
        mirror.step(optimizer);
    }

    /** For what else a subclass views in the framework's memory; closed with this. */
    protected final Arena arena() {
        return arena;
    }

    /** Whether {@link #close} has not been called. */
    protected final boolean isOpen() {
        return arena.scope().isAlive();
    }

    /** Throws an IllegalStateException if this is closed. */
    protected final void requireOpen() {
        if (!isOpen()) {
            throw new IllegalStateException("this " + getClass().getSimpleName() + " is closed");
        }
    }

    /**
     * Multiplies every gradient by a factor before anything else sees it: 1 / number of backward passes, or 1 / loss
     * scale where that is not the optimizer's own.
     */
    public void gradientScale(double scale) {
        optimizer.gradientScale(scale);
    }

    /**
     * What the last step did; a step with a NaN or an infinity in a gradient is refused, and this names the parameter.
     */
    public final StepReport report() {
        return optimizer.report();
    }

    /** Steps so far, those before the checkpoint that was loaded included. */
    public final long steps() {
        return optimizer.steps();
    }

    /** The optimizer behind this step, for its state and its parameters. It is closed by {@link #close}. */
    public final Optimizer optimizer() {
        return optimizer;
    }

    /**
     * Writes weights, optimizer state and step counters to a checkpoint; an older file of this name stays until it is
     * whole.
     */
    public final void save(Path file) throws IOException {
        optimizer.save(file);
    }

    /** Reads a checkpoint of the same optimizer and parameters, weights included: training goes on bit for bit. */
    public final void load(Path file) throws IOException {
        optimizer.load(file);
        mirror.downloadWeights();
    }

    /** Frees the optimizer and its state; the framework's tensors stay as they are. Closing again does nothing. */
    @Override
    public void close() {
        if (isOpen()) {
            optimizer.close();
            mirror.close();
            Arrays.fill(bound, 0);
            arena.close();
        }
    }

    /**
     * What a step is made of.
     *
     * @param <S> the step
     * @param <B> the builder itself, which its methods return
     */
    public abstract static class Builder<S extends FrameworkStep, B extends Builder<S, B>> {
        private final Device device;
        private final Rule rule;
        private Schedule schedule = Schedule.constant();
        private boolean decayVectors;
        private boolean checkFinite = true;
        private final List<OptimizerListener> listeners = new ArrayList<>();

        /** @param decayVectors what the framework's users expect, see {@link #decayVectors} */
        protected Builder(Device device, Rule rule, boolean decayVectors) {
            this.device = Check.notNull("device", device);
            this.rule = Check.notNull("rule", rule);
            this.decayVectors = decayVectors;
        }

        /** This builder. */
        protected abstract B self();

        /** Adds what only this framework's steps have, to an optimizer that is about to be built. */
        protected void configure(OptimizerBuilder options) {}

        /** The learning rate at every step; constant by default. */
        public final B schedule(Schedule schedule) {
            this.schedule = Check.notNull("schedule", schedule);
            return self();
        }

        /**
         * Whether weight decay applies to tensors of fewer than two dimensions, too: biases, and gains of normalizations.
         * By default as in the framework whose optimizer this replaces.
         */
        public final B decayVectors(boolean decayVectors) {
            this.decayVectors = decayVectors;
            return self();
        }

        /** Whether a step is refused when a gradient has a NaN or an infinity; true by default. */
        public final B checkFinite(boolean checkFinite) {
            this.checkFinite = checkFinite;
            return self();
        }

        /** Adds somebody who is told of steps, refused steps and checkpoints. */
        public final B listener(OptimizerListener listener) {
            listeners.add(Check.notNull("listener", listener));
            return self();
        }

        /**
         * Builds the step and its state, zero-filled.
         *
         * @throws IllegalArgumentException if nothing is to be trained, or a tensor cannot be used where it is
         */
        public abstract S build();
    }
}
