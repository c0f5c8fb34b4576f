package dev.gatun.cli.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;

/**
 * Draws batches of examples with their classes.
 *
 * <p>A training batch is a function of (data, seed, step) and of nothing else, so every optimizer sees the same
 * batches, and a resumed run the ones it would have seen. Batches to measure by are a function of the data alone: runs
 * with different seeds are measured alike. Direct buffers are filled again and again; arrays made of them alias them,
 * because a new {@code create(long[])} at every step lets memory creep up.
 */
interface Batches {
    /** Draws the training batch of a step; arrays made of the one before change with it. */
    void draw(long seed, long step);

    /**
     * Draws one of the batches that a part of the data is measured by.
     *
     * @param number from 0
     * @param thorough false for a look on the way, which need not see everything
     * @return whether there is such a batch; the last may be smaller than the others
     */
    boolean draw(Part part, int number, boolean thorough);

    /** What the network gets, as drawn last. */
    NDArray inputs(NDManager manager);

    /** The classes, as drawn last: (batch), INT64. */
    NDArray targets(NDManager manager);
}
