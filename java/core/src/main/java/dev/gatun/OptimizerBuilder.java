package dev.gatun;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** What an {@link Optimizer} is made of; {@link Optimizer#builder} begins one. */
public final class OptimizerBuilder {
    private static final System.Logger LOG = System.getLogger("dev.gatun");
    /** Names for which a warning has been given. */
    private static final Set<String> WARNED = ConcurrentHashMap.newKeySet();

    final Device device;
    final List<ParameterGroup> groups = new ArrayList<>();
    boolean checkFinite = true;
    boolean zeroGradients;
    Rounding rounding = Rounding.NEAREST;
    long seed;
    LossScaling lossScaling;
    final List<OptimizerListener> listeners = new ArrayList<>();
    Backend backend;
    List<Tensor> state;

    OptimizerBuilder(Device device) {
        this.device = device;
        this.backend = groups -> new NativePlan(device.context(), groups);
    }

    /** Adds a group. Parameters are counted through all groups in the order in which they were added. */
    public OptimizerBuilder group(ParameterGroup group) {
        groups.add(Check.notNull("group", group));
        return this;
    }

    /** Adds a group with a constant learning rate. */
    public OptimizerBuilder group(Rule rule, List<Parameter> parameters) {
        return group(ParameterGroup.of(rule, parameters));
    }

    /** Whether a NaN, an infinity or a square that overflows refuses the step. On unless switched off. */
    public OptimizerBuilder checkFinite(boolean checkFinite) {
        this.checkFinite = checkFinite;
        return this;
    }

    /** Whether a step leaves all bound gradients zero, a refused one, too. Off unless switched on. */
    public OptimizerBuilder zeroGradients(boolean zeroGradients) {
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
    public OptimizerBuilder adoptState(List<Tensor> state) {
        this.state = List.copyOf(Check.notNull("state", state));
        return this;
    }

    /** How weights of BF16 and F16 are made from their masters; {@link Rounding#NEAREST} unless this is called. */
    public OptimizerBuilder rounding(Rounding rounding) {
        this.rounding = Check.notNull("rounding", rounding);
        return this;
    }

    /** What stochastic rounding draws from; any number, 0 unless this is called. */
    public OptimizerBuilder seed(long seed) {
        this.seed = seed;
        return this;
    }

    /** Scales the loss, see {@link Optimizer#lossScale}. It needs the finite check. */
    public OptimizerBuilder lossScaling(LossScaling lossScaling) {
        this.lossScaling = Check.notNull("lossScaling", lossScaling);
        return this;
    }

    /** Adds somebody who is told what happens to the optimizer. */
    public OptimizerBuilder listener(OptimizerListener listener) {
        listeners.add(Check.notNull("listener", listener));
        return this;
    }

    OptimizerBuilder backend(Backend backend) {
        this.backend = backend;
        return this;
    }

    /**
     * Checks the parameters and allocates the state.
     *
     * @throws IllegalArgumentException naming the parameter, for a name that comes twice, and for a weight that is
     *     read-only, on another device or overlaps another; for loss scaling without the finite check
     * @throws IllegalStateException if a weight's memory or the device is closed
     * @throws WrongThreadException if a weight's memory is confined to another thread
     * @throws DeviceUnavailableException if the device cannot compute a rule; the message says which
     * @throws GatunException if the device has not enough memory for the state, or fails
     */
    public Optimizer build() {
        device.context().requireOpen();
        if (lossScaling != null && !checkFinite) {
            throw new IllegalArgumentException("loss scaling is told by the finite check that a scale is too high, and"
                    + " checkFinite is false: leave it on");
        }
        Regions weights = weights();
        groups.forEach(OptimizerBuilder::warnOfFanInOne);
        return new Optimizer(this, weights);
    }

    /** Where the weights are; they have been checked. */
    private Regions weights() {
        Regions weights = new Regions();
        Set<String> names = new HashSet<>();
        for (ParameterGroup group : groups) {
            for (Parameter parameter : group.parameters()) {
                String name = "the weight of '" + parameter.name() + "'";
                if (!names.add(parameter.name())) {
                    throw new IllegalArgumentException("two parameters have the name '" + parameter.name()
                            + "': checkpoints could not tell them apart");
                }
                Gradients.requireUsable(parameter.weight(), device.kind(), true, name);
                weights.add(parameter.weight().memory(), name);
            }
        }
        return weights;
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
}
