package dev.gatun;

import java.util.List;

/** Where an optimizer's gradients and layer inputs are: checked when bound, and told to the backend. */
final class Bindings {
    private final List<Parameter> parameters;
    private final OptimizerState state;
    private final Backend.Plan plan;
    private final Gradients gradients;
    private final Inputs inputs;

    /**
     * @param fixed where weights and state are
     * @param adopted state in memory of the caller's, or null
     */
    Bindings(
            Device device,
            List<Parameter> parameters,
            OptimizerState state,
            Backend.Plan plan,
            boolean zeroed,
            Regions fixed,
            List<Tensor> adopted) {
        this.parameters = parameters;
        this.state = state;
        this.plan = plan;
        gradients = new Gradients(parameters, device.kind(), zeroed, fixed, adopted == null ? List.of() : adopted);
        inputs = new Inputs(parameters, state, device.kind(), fixed);
    }

    void gradients(List<Tensor> all) {
        if (all.size() != parameters.size()) {
            throw new IllegalArgumentException("gradients has " + all.size() + " tensors, and there are "
                    + parameters.size() + " parameters: pass null for a parameter without a gradient");
        }
        gradients.bindAll(all);
        for (int i = 0; i < parameters.size(); i++) {
            tellPlan(i, all.get(i));
        }
    }

    void gradient(int index, Tensor gradientOrNull) {
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

    void input(int index, Tensor inputOrNull) {
        tellPlan(index, inputOrNull == null ? unbound(index) : inputs.bind(index, inputOrNull));
    }

    void inputPower(int index, Tensor powerOrNull) {
        tellPlan(index, powerOrNull == null ? unbound(index) : inputs.bindPower(index, powerOrNull));
    }

    private Backend.Input unbound(int index) {
        inputs.unbind(index);
        return null;
    }

    private void tellPlan(int index, Backend.Input input) {
        plan.input(state.backendGroup(index), state.member(index), input);
    }

    boolean hasGradient(int index) {
        return gradients.has(index);
    }

    /** The type of the gradient that is bound, or if there is none, of the weight. */
    DType gradientType(int index) {
        return gradients.dtype(index);
    }

    /**
     * Checks that the memory of weights and gradients is still there.
     *
     * @throws IllegalStateException naming a tensor whose memory was closed
     */
    void requireAlive() {
        gradients.requireAlive();
    }

    /** As {@link #requireAlive}, and that whoever needs an input has one; allocates nothing. */
    void requireForStep() {
        gradients.requireAlive();
        inputs.requireForStep(gradients);
    }

    /** After a step. */
    void count() {
        inputs.count(gradients);
    }

    /** After the state has become another. */
    void reload() {
        inputs.reload();
    }
}
