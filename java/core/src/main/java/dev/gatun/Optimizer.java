package dev.gatun;

import java.io.IOException;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * Updates parameters, step by step, and keeps what that needs: the rules' state, step counters, the gradients' places.
 * Weights and gradients stay the caller's. It belongs to the thread that made it, and is to be closed before its
 * device.
 *
 * <pre>{@code
 * try (var device = Device.best();
 *         var optimizer = Optimizer.of(device, Sing.official(5e-3), parameters)) {
 *     optimizer.bindGradients(gradients);
 *     for (var batch : batches) {
 *         backward(batch); // fills the gradients
 *         optimizer.step();
 *     }
 *     optimizer.save(Path.of("run.safetensors"));
 * }
 * }</pre>
 *
 * <p>Weights and gradients may be F32 or F64 alike, or each F32, {@link DType#BF16} or {@link DType#F16}; the arithmetic
 * and the state are then F32. A weight of BF16 or F16 has a master in F32, the state {@code master}: it begins as the
 * weight at the first step, the rule moves it, and its {@link Rounding} is written to the weight. From then on the master
 * counts: what others write into the weight is overwritten by the next step.
 *
 * <p>A step is all or nothing. With {@code checkFinite}, the default, a NaN or an infinity in any gradient refuses it, and
 * so does one whose square is none of the arithmetic's type: no bit of weights, state and counters changes, and
 * {@link #report} names the parameter. Without it, the result is what IEEE 754 makes of the formulas. A parameter without
 * a gradient is left out: no decay, no state change, no step counted.
 */
public final class Optimizer implements AutoCloseable {
    private final Thread owner = Thread.currentThread();
    private final Device device;
    private final List<ParameterGroup> groups;
    private final List<Parameter> parameters;
    private final boolean zeroGradients;
    private final Rounding rounding;
    private final long seed;
    private final OptimizerState state;
    private final Bindings bindings;
    private final Observers observers;
    private final NormMeter norms;
    private final Steps steps;
    private final Cleaner.Cleanable cleanable;
    private boolean open = true;

    /** @param fixed where the weights are, which the builder has checked; the state is added */
    Optimizer(OptimizerBuilder builder, Regions fixed) {
        device = builder.device;
        groups = List.copyOf(builder.groups);
        parameters =
                groups.stream().flatMap(group -> group.parameters().stream()).toList();
        zeroGradients = builder.zeroGradients;
        rounding = builder.rounding;
        seed = builder.seed;
        OptimizerState memory = new OptimizerState(device, groups, builder.state, rounding, seed);
        Backend.Plan plan;
        try {
            for (int i = 0; i < parameters.size(); i++) {
                for (Tensor tensor : memory.tensors(i)) {
                    fixed.add(
                            tensor.memory(),
                            "the state of '" + parameters.get(i).name() + "'");
                }
            }
            plan = builder.backend.plan(memory.backendGroups());
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
        state = memory;
        bindings = new Bindings(device, parameters, state, plan, zeroGradients, fixed, builder.state);
        observers = new Observers(this, builder.listeners);
        NormMeter meter = new NormMeter(device, parameters, state, builder.checkFinite);
        norms = meter;
        steps = new Steps(builder, state, plan, bindings, observers, norms);
        cleanable = Device.CLEANER.register(this, () -> {
            try (memory;
                    plan; // before what its tables point into
                    meter) {
                // in the other order
            }
        });
        observers.memory(state.bytes());
    }

    /**
     * An optimizer with one rule for all parameters, which checks gradients and leaves them as they are.
     *
     * @throws IllegalArgumentException as {@link OptimizerBuilder#build}
     */
    public static Optimizer of(Device device, Rule rule, List<Parameter> parameters) {
        return builder(device).group(rule, parameters).build();
    }

    /**
     * An optimizer of one group, which checks gradients and leaves them as they are.
     *
     * @throws IllegalArgumentException as {@link OptimizerBuilder#build}
     */
    public static Optimizer of(Device device, ParameterGroup group) {
        return builder(device).group(group).build();
    }

    /** For several groups, and for what is not default. */
    public static OptimizerBuilder builder(Device device) {
        return new OptimizerBuilder(Check.notNull("device", device));
    }

    /**
     * Says where all gradients are, in the order of {@link #parameters}; null for a parameter that has none. They stay
     * bound until others are. Nothing changes if one is refused.
     *
     * @throws IllegalArgumentException naming the parameter, for a gradient whose type does not go with its weight's or
     *     whose shape or device differs, which overlaps a weight, state or another gradient, or which is read-only and to be zeroed
     */
    public void bindGradients(List<Tensor> gradients) {
        requireUse();
        bindings.gradients(gradients);
    }

    /**
     * Says where one gradient is, or with null that there is none. Free if it is bound already.
     *
     * @throws IllegalArgumentException as {@link #bindGradients}
     */
    public void bindGradient(int index, Tensor gradientOrNull) {
        requireUse();
        requireParameter(index);
        bindings.gradient(index, gradientOrNull);
    }

    /** Whether a parameter's rule looks at its layer's input: {@link Nsgd}, for weights of two or more dimensions. */
    public boolean takesInput(int index) {
        requireOpen();
        requireParameter(index);
        return state.powers(index) > 0;
    }

    /**
     * Says where the batch is that fed a parameter's layer and so produced its gradient, or with null that there is none. It is
     * read by the steps that follow and stays bound until another is; its address and its number of samples may change with every
     * step. Without any input a parameter takes steps as plain gradient descent; once it has had one, it needs one whenever it has
     * a gradient.
     *
     * @param inputOrNull for a weight (out, in) of shape (samples, in) or (..., in), every leading dimension counting as samples; for a
     *     convolution's weight (out, in / groups, ...) of shape (samples, in, ...) with as many dimensions as the weight, see
     *     {@link Parameter#withGroups}. F32 or F64, whatever the weight is. May be read-only, and the same for several parameters.
     * @throws IllegalArgumentException naming the parameter, if it takes no input, see {@link #takesInput}, or the input has
     *     another shape or device, no samples, or overlaps weights or state
     */
    public void bindInput(int index, Tensor inputOrNull) {
        requireUse();
        requireParameter(index);
        bindings.input(index, inputOrNull);
    }

    /**
     * Says where the power of a parameter's input is, in place of the input itself: F64, one value, or for a convolution by
     * channel one for every input channel. It is the mean over the samples of the sum of x^2, or |x|, over a sample, or over a
     * sample's channel. Stays bound as {@link #bindInput} says, and is read by every step.
     *
     * @throws IllegalArgumentException as {@link #bindInput}
     */
    public void bindInputPower(int index, Tensor powerOrNull) {
        requireUse();
        requireParameter(index);
        bindings.inputPower(index, powerOrNull);
    }

    /**
     * What every gradient is multiplied by before all else, from the next step on: 1 / a loss scale of one's own, or
     * 1 / k where gradients of k batches were added up. With {@link #lossScale} beside it the step divides by that, too.
     *
     * @param scale above 0 and finite; 1 at first
     */
    public void gradientScale(double scale) {
        requireUse();
        steps.gradientScale(scale);
    }

    /**
     * What to multiply the loss with before the backward passes of the next step, which divides the gradients by it. Ask
     * again after every step. With {@link OptimizerBuilder#lossScaling} it follows what the last step did, and waits for it;
     * without, it is 1.
     */
    public double lossScale() {
        requireUse();
        return steps.lossScale();
    }

    /** What a checkpoint keeps of the loss scale; null without one. */
    LossScale.Saved savedLossScale() {
        return steps.savedLossScale();
    }

    /**
     * One step of all parameters that have a gradient: one native call, nothing allocated. On a GPU it is only asked for,
     * see {@link Device} for the order of things.
     *
     * @throws IllegalStateException if memory of a weight, gradient or input was closed, or this optimizer or its device
     *     was, or if a parameter has a gradient and no input, but had one before
     * @throws WrongThreadException on another thread than the one that made the optimizer
     * @throws IllegalArgumentException if a schedule gives a learning rate that is negative or not finite
     * @throws GatunException if the GPU has failed; the optimizer then takes no step any more and says why each time
     */
    public void step() {
        requireUse();
        steps.step();
        Reference.reachabilityFence(this);
    }

    /**
     * Puts a step into the CUDA graph that the caller is capturing on the device's stream (see
     * {@link Device#cuda(int, java.lang.foreign.MemorySegment)}). Nothing is computed and nothing counted: that happens
     * with each replay of the graph, which {@link #prepareReplay} comes before. Take a {@link #step} after binding the
     * gradients and before the capture: addresses that the GPU does not know yet cannot be captured.
     *
     * <p>The graph refers to this optimizer's tables. Replay it only while the optimizer, its gradients and weights are
     * there.
     *
     * @throws IllegalStateException on the CPU, which has no graphs, and as {@link #step}
     * @throws GatunException if CUDA refuses the capture; the message says why
     */
    public void captureStep() {
        requireGraphs();
        steps.capture();
        Reference.reachabilityFence(this);
    }

    /**
     * Gives the GPU the learning rates and the gradient scale of the next replay of a captured step, and counts it for
     * the schedules: what {@link #step} does, without the computing. Then launch the graph on the device's stream.
     * Gradients that were bound elsewhere meanwhile are taken from there.
     *
     * <pre>{@code
     * optimizer.step();          // as ever; the GPU now knows all addresses
     * beginCapture(stream);      // cudaStreamBeginCapture, thread-local mode
     * backward(batch);
     * optimizer.captureStep();
     * endCapture(stream);
     * for (...) {
     *     optimizer.prepareReplay();
     *     launch(graph, stream);
     * }
     * }</pre>
     *
     * @throws IllegalStateException on the CPU, which has no graphs, and as {@link #step}
     * @throws GatunException as {@link #step}
     */
    public void prepareReplay() {
        requireGraphs();
        steps.prepareReplay();
        Reference.reachabilityFence(this);
    }

    private void requireGraphs() {
        if (device.kind() != Device.Kind.CUDA) {
            throw new IllegalStateException("a step on the CPU cannot be captured in a CUDA graph: call step()");
        }
        requireUse();
    }

    /** What the last step did; waits for it. */
    public StepReport report() {
        requireUse();
        return steps.report();
    }

    /**
     * Which norms of every parameter reports have, from the next step on; {@link Norms#OFF} at first. It can be changed at
     * any time, for instance to look at one step in a hundred.
     *
     * @throws GatunException if the device has not enough memory for {@link Norms#GRADIENTS_AND_UPDATES}
     */
    public void reportNorms(Norms norms) {
        requireUse();
        long before = this.norms.bytes();
        this.norms.want(Check.notNull("norms", norms));
        if (this.norms.bytes() != before) {
            observers.memory(state.bytes() + this.norms.bytes());
        }
    }

    /** How many times {@link #step} was called, refused steps included: the schedules' clock. */
    public long steps() {
        return steps.count();
    }

    /** All parameters, group by group. */
    public List<Parameter> parameters() {
        return parameters;
    }

    /** The groups as they were given. */
    public List<ParameterGroup> groups() {
        return groups;
    }

    /** How weights of BF16 and F16 are made from their masters. */
    public Rounding rounding() {
        return rounding;
    }

    /** What stochastic rounding draws from. */
    public long seed() {
        return seed;
    }

    /** Where steps are computed. */
    public Device device() {
        return device;
    }

    /**
     * A view of a parameter's state, as long as the optimizer is open. On a GPU it is the GPU's memory.
     *
     * @param parameter its index in {@link #parameters}
     * @param slot one of its rule's {@link Rule#slots}; for a weight of BF16 or F16 also {@code master}, the weight in F32
     */
    public Tensor state(int parameter, String slot) {
        requireOpen();
        requireParameter(parameter);
        int index = state.slots(parameter).indexOf(slot);
        if (index < 0) {
            throw new IllegalArgumentException("'" + parameters.get(parameter).name() + "' has no state '" + slot
                    + "'; its rule has " + state.slots(parameter));
        }
        return state.tensors(parameter).get(index);
    }

    /** The steps a parameter has taken: those with a gradient that were not refused. Waits for the last step. */
    public long stepsTaken(int parameter) {
        requireOpen();
        requireParameter(parameter);
        return state.steps(state.counters(), parameter);
    }

    /** The steps that every parameter has taken, as {@link #resume} takes them. Waits for the last step. */
    public long[] stepsTaken() {
        requireOpen();
        List<long[]> counters = state.counters();
        long[] taken = new long[parameters.size()];
        for (int i = 0; i < taken.length; i++) {
            taken[i] = state.steps(counters, i);
        }
        return taken;
    }

    /**
     * Goes on with state that was adopted or written by the caller: sets the counts that belong to it. Groups, and the
     * schedules' clock, have taken as many steps as the parameter that took most.
     *
     * @param stepsTaken what {@link #stepsTaken()} said when the state was kept, each 0 or more
     */
    public void resume(long... stepsTaken) {
        requireUse();
        if (stepsTaken.length != parameters.size()) {
            throw new IllegalArgumentException("stepsTaken has " + stepsTaken.length + " numbers, and there are "
                    + parameters.size() + " parameters");
        }
        for (long taken : stepsTaken) {
            Check.atLeast("stepsTaken", taken, 0);
        }
        state.setAllSteps(stepsTaken);
        goOn(Arrays.stream(stepsTaken).max().orElse(0));
    }

    /**
     * The memory traffic of a step in bytes per parameter element, see {@link Rule#bytesPerParameter}, with the gradients
     * that are bound; one that is not counts as one of its weight's type.
     */
    public double bytesPerParameter() {
        return steps.bytesPerParameter(parameters);
    }

    /**
     * Saves weights, state and counters, see {@link Checkpoint}. When it returns, the file is on the disk whole; if it
     * fails, a file that was there before still is.
     */
    public void save(Path file) throws IOException {
        save(file, true);
    }

    /** As {@link #save(Path)}, with or without the weights. */
    public void save(Path file, boolean withWeights) throws IOException {
        save(file, withWeights, FileCalls.SYSTEM);
    }

    void save(Path file, boolean withWeights, FileCalls calls) throws IOException {
        requireUse();
        bindings.requireAlive();
        Object begun = observers.checkpointBegins();
        CheckpointWriter.write(file, this, state, withWeights, calls);
        observers.saved(begun, file);
    }

    /**
     * Goes back to where a checkpoint was saved: state, counters, the schedules' clock, and the weights if it has them.
     * Going on from there gives the same bits as never having stopped. Everything is checked before anything is
     * written.
     *
     * @throws CheckpointException saying what differs, if it is damaged or of other rules, names, shapes, types or, with
     *     masters, rounding. Learning rates and loss scaling may differ: they are the run's. A loss scale goes on from
     *     the one that was saved, or if none was, from its first
     */
    public void load(Path file) throws IOException {
        requireUse();
        bindings.requireAlive();
        Object begun = observers.checkpointBegins();
        Checkpoint checkpoint = Checkpoint.read(file);
        goOn(CheckpointLoader.load(checkpoint, this, state));
        steps.resume(checkpoint.savedLossScale());
        observers.loaded(begun, file);
    }

    /** After the state has become another, of a run that had called {@link #step} so often. */
    private void goOn(long count) {
        bindings.reload();
        steps.resume(count);
    }

    /** Whether a step leaves the gradients zero. */
    boolean zeroesGradients() {
        return zeroGradients;
    }

    /** Frees the state when the last step has happened. Closing again does nothing. */
    @Override
    public void close() {
        if (open) {
            requireOwner();
            open = false;
            cleanable.clean();
            observers.memory(0);
        }
    }

    private void requireUse() {
        requireOwner();
        requireOpen();
        device.context().requireOpen();
    }

    private void requireOwner() {
        if (Thread.currentThread() != owner) {
            throw new WrongThreadException("the optimizer belongs to thread '" + owner.getName()
                    + "', which made it, and this is '" + Thread.currentThread().getName() + "'");
        }
    }

    private void requireOpen() {
        if (!open) {
            throw new IllegalStateException("the optimizer is closed");
        }
    }

    private void requireParameter(int index) {
        if (index < 0 || index >= parameters.size()) {
            throw new IllegalArgumentException(
                    "parameter must be from 0 to " + (parameters.size() - 1) + ", and is " + index);
        }
    }
}
