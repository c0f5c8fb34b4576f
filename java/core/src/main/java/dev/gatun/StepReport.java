package dev.gatun;

import java.util.List;

/**
 * What the last step did.
 *
 * @param step which call of {@link Optimizer#step} it was, from 1; 0 if there was none
 * @param gradientNorm the Euclidean norm of all gradients, scaled by {@link Optimizer#gradientScale} and
 *     {@link Optimizer#lossScale} and before any transformation; NaN where the step needed no sums and so has none
 * @param skipped whether the step was refused: then no weight, state or counter changed
 * @param reason why it was refused, naming the parameter; null if it was not
 * @param layers the norms of every parameter, in the optimizer's order; empty unless {@link Optimizer#reportNorms} asked
 *     for them before the step
 */
public record StepReport(long step, double gradientNorm, boolean skipped, String reason, List<LayerNorms> layers) {
    /** Copies the list. */
    public StepReport {
        layers = List.copyOf(layers);
    }
}
