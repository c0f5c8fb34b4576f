package dev.gatun;

import java.util.List;

/** The steps of an optimizer: the values that go along with each, their count, and what came of the last. */
final class Steps {
    private final List<ParameterGroup> groups;
    private final OptimizerState state;
    private final Backend.Plan plan;
    private final Bindings bindings;
    private final Observers observers;
    private final NormMeter norms;
    /** Has a step happened when its call returns? */
    private final boolean atOnce;

    private final boolean checkFinite;
    private final boolean zeroGradients;
    private final double[] lr;
    /** Null without loss scaling. */
    private final LossScale lossScale;

    private double gradientScale = 1;
    private long count;
    /** Is there a step to report on? */
    private boolean stepped;
    /** Has somebody looked at what it did? */
    private boolean looked;

    Steps(
            OptimizerBuilder builder,
            OptimizerState state,
            Backend.Plan plan,
            Bindings bindings,
            Observers observers,
            NormMeter norms) {
        groups = List.copyOf(builder.groups);
        this.state = state;
        this.plan = plan;
        this.bindings = bindings;
        this.observers = observers;
        this.norms = norms;
        atOnce = builder.device.kind() == Device.Kind.CPU;
        checkFinite = builder.checkFinite;
        zeroGradients = builder.zeroGradients;
        lr = new double[state.backendGroups().size()];
        lossScale = builder.lossScaling == null ? null : new LossScale(builder.lossScaling);
    }

    void gradientScale(double scale) {
        gradientScale = Check.aboveZero("scale", scale);
    }

    /** Calls so far, refused ones included: the schedules' clock. */
    long count() {
        return count;
    }

    /** Goes on from where the state is from. */
    void resume(long count) {
        this.count = count;
        stepped = false;
    }

    /** What the next loss is to be multiplied with. */
    double lossScale() {
        if (lossScale == null) {
            return 1;
        }
        look();
        return lossScale.scale();
    }

    /** What a checkpoint keeps of the loss scale; null without one. */
    LossScale.Saved savedLossScale() {
        lossScale();
        return lossScale == null ? null : lossScale.saved();
    }

    /** Goes on with the loss scale of a checkpoint, or if that has none, from the beginning. */
    void resume(LossScale.Saved savedOrNull) {
        if (lossScale != null && savedOrNull != null) {
            lossScale.restore(savedOrNull);
        } else if (lossScale != null) {
            lossScale.begin();
        }
    }

    void step() {
        prepare();
        Object begun = observers.stepBegins();
        begin();
        plan.step(lr, scale(), checkFinite, zeroGradients);
        norms.afterStep();
        counted();
        observers.stepped(begun, count);
        if (atOnce && observers.wantSkips()) {
            look();
        }
    }

    /** Into the graph that is being captured: nothing happens yet, and nothing is counted. */
    void capture() {
        requireNoUpdateNorms();
        prepare();
        plan.step(lr, scale(), checkFinite, zeroGradients);
    }

    /** The values of a captured step's next replay. */
    void prepareReplay() {
        requireNoUpdateNorms();
        prepare();
        begin();
        plan.values(lr, scale());
        counted();
        observers.stepped(null, count);
    }

    private void requireNoUpdateNorms() {
        if (norms.wanted() == Norms.GRADIENTS_AND_UPDATES) {
            throw new IllegalStateException("a captured step measures no norms of updates: reportNorms(Norms.GRADIENTS)"
                    + " or OFF before captureStep() and prepareReplay()");
        }
    }

    private void begin() {
        norms.beforeStep(bindings, scale());
        stepped = true; // also if it fails: then a report says why
        looked = false;
    }

    /** What gradients are multiplied by. */
    private double scale() {
        return lossScale == null ? gradientScale : gradientScale / lossScale.scale();
    }

    private void prepare() {
        lossScale(); // as the step before leaves it
        bindings.requireForStep();
        state.begin();
        for (int i = 0; i < lr.length; i++) {
            lr[i] = rate(state.owner(i));
        }
    }

    private double rate(int group) {
        ParameterGroup g = groups.get(group);
        double rate = g.schedule().rate(count + 1, g.rule().lr());
        if (!(rate >= 0 && rate <= Double.MAX_VALUE)) {
            throw new IllegalArgumentException("the schedule of group " + group + " gives the learning rate " + rate
                    + " at step " + (count + 1) + "; it must be 0 or more and finite");
        }
        return rate;
    }

    private void counted() {
        bindings.count();
        count++;
    }

    /** Once for each step: what follows from what it did. */
    private void look() {
        if (!stepped || looked) {
            return;
        }
        boolean refused = plan.refused();
        looked = true;
        if (lossScale != null) {
            lossScale.count(refused);
        }
        if (refused && observers.wantSkips()) {
            observers.skipped(report());
        }
    }

    StepReport report() {
        if (!stepped) {
            return new StepReport(count, Double.NaN, false, null, List.of());
        }
        look();
        Backend.Outcome outcome = plan.report();
        String reason = outcome.skipped()
                ? (outcome.input() ? "the input of '" : "the gradient of '")
                        + state.parameter(outcome.group(), outcome.tensor()).name()
                        + "' has a NaN or an infinity, or its sum of squares overflows: nothing was changed"
                : null;
        return new StepReport(count, outcome.gradientNorm(), outcome.skipped(), reason, norms.report(plan));
    }

    /** Bytes that a step moves for each element of the parameters. */
    double bytesPerParameter(List<Parameter> parameters) {
        double bytes = 0;
        double length = 0;
        for (int i = 0; i < parameters.size(); i++) {
            Tensor weight = parameters.get(i).weight();
            DType gradient = bindings.gradientType(i);
            double each = groups.get(state.owner(state.backendGroup(i)))
                            .rule()
                            .bytesPerParameter(weight.dtype(), gradient, checkFinite)
                    + (zeroGradients ? gradient.bytes() : 0);
            bytes += each * weight.length();
            length += weight.length();
        }
        return length == 0 ? 0 : bytes / length;
    }
}
