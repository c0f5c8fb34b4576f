package dev.gatun;

import java.io.IOException;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

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
 * <p>A step is all or nothing. With {@code checkFinite}, the default, a NaN or an infinity in any gradient refuses it:
 * no bit of weights, state and counters changes, and {@link #report} names the parameter. Without it, the result is
 * what IEEE 754 makes of the formulas. A parameter without a gradient is left out: no decay, no state change, no step
 * counted.
 */
public final class Optimizer implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger("dev.gatun");
    /** Names for which a warning has been given. */
    private static final Set<String> WARNED = ConcurrentHashMap.newKeySet();

    private final Thread owner = Thread.currentThread();
    private final Device device;
    private final List<ParameterGroup> groups;
    private final List<Parameter> parameters;
    private final boolean checkFinite;
    private final boolean zeroGradients;
    private final Rounding rounding;
    private final long seed;
    private final OptimizerState state;
    private final Backend.Plan plan;
    private final Gradients gradients;
    private final Inputs inputs;
    private final double[] lr;
    private final Cleaner.Cleanable cleanable;

    private double gradientScale = 1;
    private long steps;
    private boolean stepped;
    private boolean open = true;

    private Optimizer(Builder builder) {
        device = builder.device;
        groups = List.copyOf(builder.groups);
        parameters =
                groups.stream().flatMap(group -> group.parameters().stream()).toList();
        checkFinite = builder.checkFinite;
        zeroGradients = builder.zeroGradients;
        Regions fixed = new Regions();
        requireUsable(fixed);
        groups.forEach(Optimizer::warnOfFanInOne);

        rounding = builder.rounding;
        seed = builder.seed;
        OptimizerState memory = new OptimizerState(device, groups, builder.state, rounding, seed);
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
        Backend.Plan made = plan;
        state = memory;
        gradients = new Gradients(
                parameters, device.kind(), zeroGradients, fixed, builder.state == null ? List.of() : builder.state);
        inputs = new Inputs(parameters, state, device.kind(), fixed);
        lr = new double[memory.backendGroups().size()];
        cleanable = Device.CLEANER.register(this, () -> {
            try {
                made.close(); // first: its tables point into the memory
            } finally {
                memory.close();
            }
        });
    }

    private void requireUsable(Regions fixed) {
        Set<String> names = new HashSet<>();
        for (Parameter parameter : parameters) {
            String name = "the weight of '" + parameter.name() + "'";
            if (!names.add(parameter.name())) {
                throw new IllegalArgumentException("two parameters have the name '" + parameter.name()
                        + "': checkpoints could not tell them apart");
            }
            Gradients.requireUsable(parameter.weight(), device.kind(), true, name);
            fixed.add(parameter.weight().memory(), name);
        }
    }

    /** SING takes the mean off every row: where a row is one element, nothing is left, and that easily stays unseen. */
    private static void warnOfFanInOne(ParameterGroup group) {
        if (!RuleForm.recipe(group.rule()).centers()) {
            return;
        }
        for (Parameter parameter : group.parameters()) {
            Tensor weight = parameter.weight();
            boolean fanInOne = weight.dimensions() >= 2 && weight.length() > 0 && weight.length() == weight.rows();
            if (fanInOne && WARNED.add(parameter.name())) {
                LOG.log(
                        System.Logger.Level.WARNING,
                        "'" + parameter.name() + "' has rows of one element: " + group.rule()
                                + " takes each row's mean off the gradient, so this parameter never trains. Give it a"
                                + " group without centering");
            }
        }
    }

    /**
     * An optimizer with one rule for all parameters, which checks gradients and leaves them as they are.
     *
     * @throws IllegalArgumentException as {@link Builder#build}
     */
    public static Optimizer of(Device device, Rule rule, List<Parameter> parameters) {
        return builder(device).group(rule, parameters).build();
    }

    /**
     * An optimizer of one group, which checks gradients and leaves them as they are.
     *
     * @throws IllegalArgumentException as {@link Builder#build}
     */
    public static Optimizer of(Device device, ParameterGroup group) {
        return builder(device).group(group).build();
    }

    /** For several groups, and for what is not default. */
    public static Builder builder(Device device) {
        return new Builder(Check.notNull("device", device));
    }

    /** What an optimizer is made of. */
    public static final class Builder {
        private final Device device;
        private final List<ParameterGroup> groups = new ArrayList<>();
        private boolean checkFinite = true;
        private boolean zeroGradients;
        private Rounding rounding = Rounding.NEAREST;
        private long seed;
        private Backend backend;
        private List<Tensor> state;

        private Builder(Device device) {
            this.device = device;
            this.backend = groups -> new NativePlan(device.context(), groups);
        }

        /** Adds a group. Parameters are counted through all groups in the order in which they were added. */
        public Builder group(ParameterGroup group) {
            groups.add(Check.notNull("group", group));
            return this;
        }

        /** Adds a group with a constant learning rate. */
        public Builder group(Rule rule, List<Parameter> parameters) {
            return group(ParameterGroup.of(rule, parameters));
        }

        /** Whether a NaN or an infinity in a gradient refuses the step. On unless switched off. */
        public Builder checkFinite(boolean checkFinite) {
            this.checkFinite = checkFinite;
            return this;
        }

        /** Whether a step leaves all bound gradients zero, a refused one, too. Off unless switched on. */
        public Builder zeroGradients(boolean zeroGradients) {
            this.zeroGradients = zeroGradients;
            return this;
        }

        /**
         * Puts the state into memory of the caller's, which keeps its contents: fill it with zeros to begin, or go on
         * from what is there with {@link Optimizer#resume}. Without this, the optimizer allocates zeros.
         *
         * @param state parameter by parameter, a tensor of the weight's type and shape for each of the rule's
         *     {@link Rule#slots}, or F64 [n] for a slot of n numbers, as {@link Optimizer#state} says of an
         *     optimizer that allocates; for a weight of BF16 or F16 in F32, and one more for its master; it has to
         *     stay open as long as the optimizer
         */
        public Builder adoptState(List<Tensor> state) {
            this.state = List.copyOf(Check.notNull("state", state));
            return this;
        }

        /** How weights of BF16 and F16 are made from their masters; {@link Rounding#NEAREST} unless this is called. */
        public Builder rounding(Rounding rounding) {
            this.rounding = Check.notNull("rounding", rounding);
            return this;
        }

        /** What stochastic rounding draws from; any number, 0 unless this is called. */
        public Builder seed(long seed) {
            this.seed = seed;
            return this;
        }

        Builder backend(Backend backend) {
            this.backend = backend;
            return this;
        }

        /**
         * Checks the parameters and allocates the state.
         *
         * @throws IllegalArgumentException naming the parameter, for a name that comes twice, and for a weight that is
         *     read-only, on another device or overlaps another
         * @throws IllegalStateException if a weight's memory or the device is closed
         * @throws WrongThreadException if a weight's memory is confined to another thread
         * @throws DeviceUnavailableException if the device cannot compute a rule; the message says which
         * @throws GatunException if the device has not enough memory for the state, or fails
         */
        public Optimizer build() {
            device.context().requireOpen();
            return new Optimizer(this);
        }
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
        if (gradients.size() != parameters.size()) {
            throw new IllegalArgumentException("gradients has " + gradients.size() + " tensors, and there are "
                    + parameters.size() + " parameters: pass null for a parameter without a gradient");
        }
        this.gradients.bindAll(gradients);
        for (int i = 0; i < parameters.size(); i++) {
            tellPlan(i, gradients.get(i));
        }
    }

    /**
     * Says where one gradient is, or with null that there is none. Free if it is bound already.
     *
     * @throws IllegalArgumentException as {@link #bindGradients}
     */
    public void bindGradient(int index, Tensor gradientOrNull) {
        requireUse();
        requireParameter(index);
        if (!gradients.isBound(index, gradientOrNull)) {
            gradients.bind(index, gradientOrNull);
            tellPlan(index, gradientOrNull);
        }
    }

    private void tellPlan(int index, Tensor gradient) {
        plan.gradient(
                state.backendGroup(index),
                state.member(index),
                gradient == null ? null : gradient.memory(),
                gradient == null ? parameters.get(index).weight().dtype() : gradient.dtype());
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
        if (inputOrNull == null) {
            unbindInput(index);
        } else {
            plan.input(state.backendGroup(index), state.member(index), inputs.bind(index, inputOrNull));
        }
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
        if (powerOrNull == null) {
            unbindInput(index);
        } else {
            plan.input(state.backendGroup(index), state.member(index), inputs.bindPower(index, powerOrNull));
        }
    }

    private void unbindInput(int index) {
        inputs.unbind(index);
        plan.input(state.backendGroup(index), state.member(index), null);
    }

    /**
     * What every gradient is multiplied by before all else, from the next step on: 1 / loss scale.
     *
     * @param scale above 0 and finite; 1 at first
     */
    public void gradientScale(double scale) {
        requireUse();
        gradientScale = Check.aboveZero("scale", scale);
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
        prepare();
        stepped = true; // also if it fails: then a report says why
        plan.step(lr, gradientScale, checkFinite, zeroGradients);
        inputs.count(gradients);
        steps++;
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
        prepare();
        plan.step(lr, gradientScale, checkFinite, zeroGradients);
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
        prepare();
        stepped = true;
        plan.values(lr, gradientScale);
        inputs.count(gradients);
        steps++;
        Reference.reachabilityFence(this);
    }

    private void requireGraphs() {
        if (device.kind() != Device.Kind.CUDA) {
            throw new IllegalStateException("a step on the CPU cannot be captured in a CUDA graph: call step()");
        }
    }

    private void prepare() {
        requireUse();
        gradients.requireAlive();
        inputs.requireForStep(gradients);
        state.begin();
        for (int i = 0; i < lr.length; i++) {
            lr[i] = rate(state.owner(i));
        }
    }

    private double rate(int group) {
        ParameterGroup g = groups.get(group);
        double rate = g.schedule().rate(steps + 1, g.rule().lr());
        if (!(rate >= 0 && rate <= Double.MAX_VALUE)) {
            throw new IllegalArgumentException("the schedule of group " + group + " gives the learning rate " + rate
                    + " at step " + (steps + 1) + "; it must be 0 or more and finite");
        }
        return rate;
    }

    /** What the last step did; waits for it. */
    public StepReport report() {
        requireUse();
        if (!stepped) {
            return new StepReport(steps, Double.NaN, false, null);
        }
        Backend.Outcome outcome = plan.report();
        String reason = outcome.skipped()
                ? (outcome.input() ? "the input of '" : "the gradient of '")
                        + state.parameter(outcome.group(), outcome.tensor()).name()
                        + "' has a NaN or an infinity, or its sum of squares overflows: nothing was changed"
                : null;
        return new StepReport(steps, outcome.gradientNorm(), outcome.skipped(), reason);
    }

    /** How many times {@link #step} was called, refused steps included: the schedules' clock. */
    public long steps() {
        return steps;
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
        steps = Arrays.stream(stepsTaken).max().orElse(0);
        inputs.reload();
        stepped = false;
    }

    /**
     * The memory traffic of a step in bytes per parameter element, see {@link Rule#bytesPerParameter}, with the gradients
     * that are bound; one that is not counts as one of its weight's type.
     */
    public double bytesPerParameter() {
        double bytes = 0;
        double length = 0;
        for (int i = 0; i < parameters.size(); i++) {
            Tensor weight = parameters.get(i).weight();
            DType gradient = gradients.dtype(i);
            double each = groups.get(state.owner(state.backendGroup(i)))
                            .rule()
                            .bytesPerParameter(weight.dtype(), gradient, checkFinite)
                    + (zeroGradients ? gradient.bytes() : 0);
            bytes += each * weight.length();
            length += weight.length();
        }
        return length == 0 ? 0 : bytes / length;
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
        gradients.requireAlive();
        CheckpointWriter.write(file, this, state, withWeights, calls);
    }

    /**
     * Goes back to where a checkpoint was saved: state, counters, the schedules' clock, and the weights if it has them.
     * Going on from there gives the same bits as never having stopped. Everything is checked before anything is
     * written.
     *
     * @throws CheckpointException saying what differs, if it is damaged or of other rules, names, shapes, types or, with
     *     masters, rounding. The learning rates alone may differ: they are the run's.
     */
    public void load(Path file) throws IOException {
        requireUse();
        gradients.requireAlive();
        steps = CheckpointLoader.load(Checkpoint.read(file), this, state);
        inputs.reload();
        stepped = false;
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
