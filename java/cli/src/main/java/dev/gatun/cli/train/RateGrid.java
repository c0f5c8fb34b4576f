package dev.gatun.cli.train;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Comparator;
import java.util.Map;
import java.util.TreeMap;

/**
 * The learning rates of a search, at the powers of 10^(1/4), rounded to two digits: 1, 1.8, 3.2, 5.6, 10. It begins
 * with three rates a factor of 3.2 apart, goes on over whichever edge is best until the best lies inside, and then
 * looks at the rates between it and its neighbours.
 */
final class RateGrid {
    private static final int COARSE = 2;

    /** Ten decades; an optimizer that still improves there has no best rate. */
    private static final int WIDEST = 40;

    private final int start;
    private final TreeMap<Integer, Double> losses = new TreeMap<>();

    /** Begins at the rate of the grid next to one. */
    RateGrid(double near) {
        start = (int) Math.round(4 * Math.log10(near));
    }

    /** The rate to try next, or NaN when nothing is left to try. */
    double next() {
        for (int exponent : new int[] {start, start - COARSE, start + COARSE}) {
            if (!losses.containsKey(exponent)) {
                return rate(exponent);
            }
        }
        int best = best();
        int beyond = best == losses.firstKey() ? best - COARSE : best + COARSE;
        boolean atEdge = best == losses.firstKey() || best == losses.lastKey();
        if (atEdge && Math.abs(beyond - start) <= WIDEST) {
            return rate(beyond);
        }
        for (int exponent : new int[] {best - 1, best + 1}) {
            if (!losses.containsKey(exponent) && Math.abs(exponent - start) <= WIDEST) {
                return rate(exponent);
            }
        }
        return Double.NaN;
    }

    /** Takes the loss of the rate that was to be tried; infinite for a run that diverged. */
    void tried(double rate, double loss) {
        losses.put((int) Math.round(4 * Math.log10(rate)), Double.isNaN(loss) ? Double.POSITIVE_INFINITY : loss);
    }

    private int best() {
        return losses.entrySet().stream()
                .min(Comparator.comparingDouble(Map.Entry::getValue))
                .orElseThrow()
                .getKey();
    }

    private static double rate(int exponent) {
        return new BigDecimal(Math.pow(10, exponent / 4.0))
                .round(new MathContext(2))
                .doubleValue();
    }
}
