package dev.gatun.dl4j;

import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * A step count as two elements of an array of floating-point numbers, the only kind of state that DL4J keeps. Both are
 * whole numbers below 2^24, which every type from FLOAT on holds exactly: bits of a long would not survive where DL4J
 * averages or converts its state.
 */
final class StepCount {
    /** The elements that a count takes. */
    static final int ELEMENTS = 2;

    private static final long LOW = 1L << 24;

    private StepCount() {}

    /** Reads a count from two elements. */
    static long read(INDArray elements) {
        double low = elements.getDouble(0);
        double high = elements.getDouble(1);
        long count = (long) high * LOW + (long) low;
        if (!(low >= 0 && low < LOW && high >= 0 && high < LOW && low == Math.rint(low) && high == Math.rint(high))) {
            throw new IllegalStateException("the updater's state has " + low + " and " + high
                    + " where the count of steps is: it is the state of another updater, or of other layers");
        }
        return count;
    }

    /** Writes a count into two elements. */
    static void write(INDArray elements, long count) {
        elements.putScalar(0, count % LOW);
        elements.putScalar(1, count / LOW);
    }
}
