package dev.gatun;

/**
 * Which norms of every parameter a {@link StepReport} has, see {@link Optimizer#reportNorms}.
 *
 * <p>The bytes are those that a step reads and writes more for each element of F32, beside AdamW's 28 (32 with the finite
 * check); double them for F64.
 */
public enum Norms {
    /** None. */
    OFF,

    /**
     * Those of the gradients. With the finite check they are sums that a step has at hand: nothing more is read, and
     * {@link Optimizer#report} copies one number for each parameter. Without it only rules with transformations (SING, a
     * clip) have them; for others they are NaN.
     */
    GRADIENTS,

    /**
     * Those of the gradients, and of what the step added to the weights. The weights before the step are kept: 4 bytes of
     * memory for each element, and 24 bytes of traffic around a step (8 to copy them, 12 to subtract, 4 to sum up). Worth
     * switching on for one step in a hundred.
     */
    GRADIENTS_AND_UPDATES
}
