package dev.gatun.cli.train;

/**
 * How well a network does on data it was not trained on.
 *
 * @param bits mean cross entropy of an example, in bits
 * @param accuracy share of examples whose best score is the right one's, 0 to 1
 */
record Score(double bits, double accuracy) {
    /** Nothing was measured. */
    static final Score NONE = new Score(Double.NaN, Double.NaN);
}
