package dev.gatun.dl4j;

import dev.gatun.Rule;
import java.util.Map;
import java.util.Objects;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.learning.GradientUpdater;
import org.nd4j.linalg.learning.config.IUpdater;
import org.nd4j.linalg.schedule.ISchedule;
import org.nd4j.shade.jackson.annotation.JsonCreator;
import org.nd4j.shade.jackson.annotation.JsonProperty;

/**
 * A rule as one of DL4J's updaters, for any configuration: {@code .updater(new GatunUpdater("adabelief(lr=0.001)"))}.
 *
 * <p>State and step counts lie in DL4J's own state array, so {@code ModelSerializer} keeps them and training that is
 * restored goes on bit for bit; the configuration's JSON has the rule as text. Learning rates follow DL4J's schedules
 * where one is set, L1, L2 and weight decay are those of DL4J's configuration.
 *
 * <p>DL4J hands an updater gradients without their weights, merges layers of equal updaters into one block, and
 * subtracts the result itself. So this costs another pass over gradients and weights, and takes only rules whose
 * {@link Rule#reach} is the gradient; {@link GatunStep} takes all, in one pass. Gradients are not checked: one refused
 * block would leave half a step.
 */
public final class GatunUpdater implements IUpdater {
    private static final long serialVersionUID = 1;

    // Fields are what DL4J's JSON has: the names are part of every saved model.
    private String rule;
    private ISchedule learningRateSchedule;

    private transient Rule parsed;

    /** An updater with the rule's own learning rate. */
    public GatunUpdater(Rule rule) {
        this(rule, null);
    }

    /**
     * An updater with a learning rate of DL4J's.
     *
     * @param rule one whose updates depend on gradients alone
     * @param learningRateSchedule null for the rule's own learning rate
     * @throws IllegalArgumentException for a rule that needs weights, whole tensors or all tensors
     */
    public GatunUpdater(Rule rule, ISchedule learningRateSchedule) {
        this.parsed = requireGradientAlone(Objects.requireNonNull(rule, "rule"));
        this.rule = rule.toString();
        this.learningRateSchedule = learningRateSchedule;
    }

    /** An updater from a specification string. */
    public GatunUpdater(String rule) {
        this(rule, null);
    }

    /** As DL4J reads it from a configuration. */
    @JsonCreator
    public GatunUpdater(
            @JsonProperty("rule") String rule, @JsonProperty("learningRateSchedule") ISchedule learningRateSchedule) {
        this(Rule.parse(Objects.requireNonNull(rule, "rule")), learningRateSchedule);
    }

    private static Rule requireGradientAlone(Rule rule) {
        String why = switch (rule.reach()) {
            case GRADIENT -> null;
            case WEIGHT ->
                "it needs the weights, for weight decay or their average, and DL4J does not show them to an"
                        + " updater. For decay, set the rule's to 0 and use DL4J's weightDecay(...) or l2(...)";
            case TENSOR ->
                "it needs sums over each layer's tensors, and DL4J merges the layers of equal updaters into one"
                        + " array";
            case ALL -> "it needs sums over all tensors, and DL4J calls an updater block by block";
        };
        if (why != null) {
            throw new IllegalArgumentException("rule " + rule + " cannot be an updater of DL4J: " + why
                    + ". GatunStep takes every rule: configure updater(new NoOp()) and add its listener()");
        }
        return rule;
    }

    /** The rule, with its own learning rate. */
    public Rule rule() {
        if (parsed == null) {
            parsed = Rule.parse(rule);
        }
        return parsed;
    }

    @Override
    public long stateSize(long numParams) {
        return rule().slots().size() * numParams + StepCount.ELEMENTS;
    }

    @Override
    public GradientUpdater<GatunUpdater> instantiate(INDArray viewArray, boolean initializeViewArray) {
        GatunGradientUpdater updater = new GatunGradientUpdater(this);
        updater.setStateViewArray(viewArray, null, 'c', initializeViewArray);
        return updater;
    }

    @Override
    public GradientUpdater<GatunUpdater> instantiate(Map<String, INDArray> updaterState, boolean initialize) {
        GatunGradientUpdater updater = new GatunGradientUpdater(this);
        updater.setState(updaterState, initialize);
        return updater;
    }

    @Override
    public double getLearningRate(int iteration, int epoch) {
        return learningRateSchedule == null ? rule().lr() : learningRateSchedule.valueAt(iteration, epoch);
    }

    @Override
    public boolean hasLearningRate() {
        return true;
    }

    /** Sets the learning rate; NaN leaves it, as DL4J means it where there is a schedule. */
    @Override
    public void setLrAndSchedule(double lr, ISchedule lrSchedule) {
        if (!Double.isNaN(lr)) {
            parsed = rule().withLr(lr);
            rule = parsed.toString();
        }
        learningRateSchedule = lrSchedule;
    }

    @Override
    public GatunUpdater clone() {
        return new GatunUpdater(rule(), learningRateSchedule == null ? null : learningRateSchedule.clone());
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof GatunUpdater updater
                && rule.equals(updater.rule)
                && Objects.equals(learningRateSchedule, updater.learningRateSchedule);
    }

    @Override
    public int hashCode() {
        return Objects.hash(rule, learningRateSchedule);
    }

    @Override
    public String toString() {
        return "GatunUpdater(" + rule + (learningRateSchedule == null ? "" : ", " + learningRateSchedule) + ")";
    }
}
