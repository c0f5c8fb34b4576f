package dev.gatun;

/**
 * How a loss scale follows the training, as PyTorch's {@code GradScaler} does it (Micikevicius et al., 1710.03740,
 * section 3.2): gradients of F16 vanish below 6e-8 and overflow above 65504, so the loss is multiplied by a number that
 * keeps them between, and the step divides by it. A step that is refused because a gradient overflowed lowers the scale;
 * a long row of steps that were not raises it.
 *
 * <pre>{@code
 * try (var optimizer = Optimizer.builder(device).group(rule, parameters).lossScaling(LossScaling.dynamic()).build()) {
 *     for (var batch : batches) {
 *         backward(batch, optimizer.lossScale()); // of the loss times this
 *         optimizer.step();
 *     }
 * }
 * }</pre>
 *
 * <p>The scale is a float, as it multiplies floats, and stays between 2^-126 and the largest: a change that would leave
 * that range is not made.
 *
 * @param initial the first scale, from 2^-126 to the largest float
 * @param growth the scale is multiplied by it after {@code interval} steps in a row; above 1
 * @param backoff the scale is multiplied by it after a refused step; above 0 and below 1
 * @param interval 1 or more
 */
public record LossScaling(double initial, double growth, double backoff, long interval) {
    /** Checks the ranges. */
    public LossScaling {
        if (!(initial >= Float.MIN_NORMAL && initial <= Float.MAX_VALUE)) {
            throw new IllegalArgumentException(
                    "initial must be from " + Float.MIN_NORMAL + " to " + Float.MAX_VALUE + ", and is " + initial);
        }
        if (!(growth > 1 && growth <= Double.MAX_VALUE)) {
            throw new IllegalArgumentException("growth must be above 1 and finite, and is " + growth);
        }
        if (!(backoff > 0 && backoff < 1)) {
            throw new IllegalArgumentException("backoff must be above 0 and below 1, and is " + backoff);
        }
        Check.atLeast("interval", interval, 1);
    }

    /** GradScaler's numbers: 65536 at first, doubled after 2000 steps in a row, halved by a refused one. */
    public static LossScaling dynamic() {
        return new LossScaling(65536, 2, 0.5, 2000);
    }

    /** The same with another first scale. */
    public LossScaling withInitial(double initial) {
        return new LossScaling(initial, growth, backoff, interval);
    }

    /** The same with another number of steps in a row. */
    public LossScaling withInterval(long interval) {
        return new LossScaling(initial, growth, backoff, interval);
    }
}
