package dev.gatun;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Finds the layers that SING's authors advise to disable: those "whose gradient norm grows while the loss falls", in their
 * experience gains of normalizations and of LayerScale (Courtois et al., 2305.15997, and the README of their code). Normalized
 * gradients hide such a layer: its steps stay as long as ever.
 *
 * <pre>{@code
 * var monitor = new LayerMonitor(200);
 * optimizer.reportNorms(Norms.GRADIENTS);
 * for (var batch : batches) {
 *     double loss = backward(batch);
 *     optimizer.step();
 *     monitor.observe(loss, optimizer.report());
 *     for (String name : monitor.growing()) {
 *         optimizer.bindGradient(indexOf(name), null); // it stays as it is from now on
 *     }
 * }
 * }</pre>
 *
 * <p>It looks at the last {@code window} observations and compares the medians of the later half with those of the earlier
 * half, so that single batches do not count. Not for several threads at once.
 */
public final class LayerMonitor {
    private final int window;
    private final double growth;
    private final double[] losses;
    private final Map<String, double[]> norms = new LinkedHashMap<>();
    private long observed;

    /** As {@link #LayerMonitor(int, double)}, with a growth of 1.1. */
    public LayerMonitor(int window) {
        this(window, 1.1);
    }

    /**
     * A monitor that has seen nothing.
     *
     * @param window how many observations it looks at: even, 4 or more. Longer than the loss takes to fall visibly
     * @param growth a layer grows if its norm's median does by more than this factor from one half to the other; 1 or more
     */
    public LayerMonitor(int window, double growth) {
        if (window < 4 || window % 2 != 0) {
            throw new IllegalArgumentException("window must be even and 4 or more, and is " + window);
        }
        if (!(growth >= 1 && growth <= Double.MAX_VALUE)) {
            throw new IllegalArgumentException("growth must be 1 or more and finite, and is " + growth);
        }
        this.window = window;
        this.growth = growth;
        losses = new double[window];
    }

    /**
     * Takes a step in. Refused steps are left out, and so are losses that are not finite.
     *
     * @param loss of the step's batch
     * @param report of a step with norms
     * @throws IllegalArgumentException if the report has no norms
     */
    public void observe(double loss, StepReport report) {
        if (report.skipped() || !Double.isFinite(loss)) {
            return;
        }
        if (report.layers().isEmpty()) {
            throw new IllegalArgumentException("the report of step " + report.step()
                    + " has no norms: call reportNorms(Norms.GRADIENTS) on the optimizer before the step");
        }
        int at = (int) (observed++ % window);
        losses[at] = loss;
        for (LayerNorms layer : report.layers()) {
            norms.computeIfAbsent(layer.name(), name -> nothing())[at] = layer.gradient();
        }
    }

    private double[] nothing() {
        double[] all = new double[window];
        Arrays.fill(all, Double.NaN);
        return all;
    }

    /**
     * The names of the layers whose gradient norm grew while the loss fell; none as long as the window is not full. A layer
     * counts if it had a gradient at half of the steps of each half or more.
     */
    public List<String> growing() {
        List<String> growing = new ArrayList<>();
        if (observed < window || !(half(losses, true) < half(losses, false))) {
            return growing;
        }
        norms.forEach((name, all) -> {
            if (half(all, true) > growth * half(all, false)) {
                growing.add(name);
            }
        });
        return growing;
    }

    /** The median of the later or the earlier half; NaN if less than half of it is there. */
    private double half(double[] all, boolean later) {
        double[] part = new double[window / 2];
        int n = 0;
        for (int i = 0; i < part.length; i++) {
            double value = all[(int) ((observed + i + (later ? window / 2 : 0)) % window)];
            if (!Double.isNaN(value)) {
                part[n++] = value;
            }
        }
        if (2 * n < part.length) {
            return Double.NaN;
        }
        Arrays.sort(part, 0, n);
        return (part[(n - 1) / 2] + part[n / 2]) / 2;
    }
}
