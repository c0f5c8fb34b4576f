package dev.gatun;

import java.util.ArrayList;
import java.util.List;

/** The norms of every parameter, for reports that are asked for them. */
final class NormMeter implements AutoCloseable {
    private final Device device;
    private final List<Parameter> parameters;
    private final OptimizerState state;
    private final boolean checkFinite;
    private final boolean[] hadGradient;
    /** Has a parameter begun: if its weight has a master, is that there? */
    private final boolean[] begun;

    private Norms wanted = Norms.OFF;
    /** Made when they are first wanted. */
    private UpdateNorms updates;

    /** Of the last step. */
    private Norms measured = Norms.OFF;

    private double scale;

    NormMeter(Device device, List<Parameter> parameters, OptimizerState state, boolean checkFinite) {
        this.device = device;
        this.parameters = parameters;
        this.state = state;
        this.checkFinite = checkFinite;
        hadGradient = new boolean[parameters.size()];
        begun = new boolean[parameters.size()];
    }

    void want(Norms norms) {
        if (norms == Norms.GRADIENTS_AND_UPDATES && updates == null) {
            updates = new UpdateNorms(device, parameters, state);
        }
        wanted = norms;
    }

    Norms wanted() {
        return wanted;
    }

    /** Of device memory, for this alone. */
    long bytes() {
        return updates == null ? 0 : updates.bytes();
    }

    /** Allocates nothing. */
    void beforeStep(Bindings bindings, double gradientScale) {
        measured = wanted;
        if (wanted == Norms.OFF) {
            return;
        }
        scale = gradientScale;
        for (int i = 0; i < hadGradient.length; i++) {
            hadGradient[i] = bindings.hasGradient(i);
        }
        if (wanted == Norms.GRADIENTS_AND_UPDATES) {
            findBegun();
            updates.beforeStep();
        }
    }

    private void findBegun() {
        List<long[]> counters = null;
        for (int i = 0; i < begun.length; i++) {
            if (!parameters.get(i).weight().dtype().isHalf()) {
                begun[i] = true;
            } else {
                counters = counters == null ? state.counters() : counters;
                begun[i] = state.steps(counters, i) > 0;
            }
        }
    }

    void afterStep() {
        if (measured == Norms.GRADIENTS_AND_UPDATES) {
            updates.afterStep();
        }
    }

    /** Of the last step; empty if it was not measured. Waits for it. */
    List<LayerNorms> report(Backend.Plan plan) {
        if (measured == Norms.OFF) {
            return List.of();
        }
        double[] gradients = state.byParameter(plan::gradientNorms);
        double[] moved = measured == Norms.GRADIENTS_AND_UPDATES ? updates.norms() : null;
        List<LayerNorms> layers = new ArrayList<>();
        for (int i = 0; i < gradients.length; i++) {
            boolean summed = checkFinite || state.transforms(i);
            layers.add(new LayerNorms(
                    parameters.get(i).name(),
                    summed && hadGradient[i] ? gradients[i] * scale : Double.NaN,
                    moved != null && begun[i] ? moved[i] : Double.NaN));
        }
        return layers;
    }

    @Override
    public void close() {
        if (updates != null) {
            updates.close();
        }
    }
}
