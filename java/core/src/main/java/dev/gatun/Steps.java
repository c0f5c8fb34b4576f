package dev.gatun;

import java.util.List;

/** The steps of an optimizer: the values that go along with each, their count, and what came of the last. */
final class Steps {
    private final List<ParameterGroup> groups;
    private final OptimizerState state;
    private final Backend.Plan plan;
    private final Bindings bindings;
    private final boolean checkFinite;
    private final boolean zeroGradients;
    private final double[] lr;

    private double gradientScale = 1;
    private long count;
    /** Is there a step to report on? */
    private boolean stepped;

    Steps(OptimizerBuilder builder, OptimizerState state, Backend.Plan plan, Bindings bindings) {
        groups = List.copyOf(builder.groups);
        this.state = state;
        this.plan = plan;
        this.bindings = bindings;
        checkFinite = builder.checkFinite;
        zeroGradients = builder.zeroGradients;
        lr = new double[state.backendGroups().size()];
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

    void step() {
        prepare();
        stepped = true; // also if it fails: then a report says why
        plan.step(lr, gradientScale, checkFinite, zeroGradients);
        counted();
    }

    /** Into the graph that is being captured: nothing happens yet, and nothing is counted. */
    void capture() {
        prepare();
        plan.step(lr, gradientScale, checkFinite, zeroGradients);
    }

    /** The values of a captured step's next replay. */
    void prepareReplay() {
        prepare();
        stepped = true;
        plan.values(lr, gradientScale);
        counted();
    }

    private void prepare() {
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

    StepReport report() {
        if (!stepped) {
            return new StepReport(count, Double.NaN, false, null);
        }
        Backend.Outcome outcome = plan.report();
        String reason = outcome.skipped()
                ? (outcome.input() ? "the input of '" : "the gradient of '")
                        + state.parameter(outcome.group(), outcome.tensor()).name()
                        + "' has a NaN or an infinity, or its sum of squares overflows: nothing was changed"
                : null;
        return new StepReport(count, outcome.gradientNorm(), outcome.skipped(), reason);
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
