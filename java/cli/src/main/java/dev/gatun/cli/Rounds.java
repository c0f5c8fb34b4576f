package dev.gatun.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.IntConsumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Times contenders in alternation. On a shared machine the speed of memory changes from second to second, so only times taken
 * side by side can be compared: every round times every contender once, in an order of its own, since who comes behind a loop that emptied the caches or let
 * threads fall asleep pays for it; results are medians over rounds of the ratio within a round.
 */
final class Rounds {
    /** First touch of pages, threads that wake up, caches: the first rounds measure those. */
    static final int WARM_UP = 3;

    /** A sample shorter than this measures the clock and the wake-up of threads more than the step: 3 ms. */
    private static final long SAMPLE_NANOS = 3_000_000;

    private static final long MOST_REPEATS = 10_000;

    /** Nanoseconds of one execution: [contender][round]. */
    private final double[][] nanos;

    private Rounds(double[][] nanos) {
        this.nanos = nanos;
    }

    /** @param round told the number of every round before it starts, warm-up included, from 0 */
    static Rounds time(List<Contender> contenders, int rounds, IntConsumer round) {
        int count = contenders.size();
        double[][] nanos = new double[count][rounds];
        long[] repeats = new long[count];
        Arrays.fill(repeats, 1);
        List<Integer> order = IntStream.range(0, count).boxed().collect(Collectors.toCollection(ArrayList::new));
        Random random = new Random(1); // java.util's, which shuffle() takes
        for (int r = 0; r < WARM_UP + rounds; r++) {
            round.accept(r);
            Collections.shuffle(order, random);
            for (int i : order) {
                double one = contenders.get(i).nanos().applyAsLong(repeats[i]) / (double) repeats[i];
                if (r < WARM_UP) {
                    repeats[i] = Math.clamp((long) Math.ceil(SAMPLE_NANOS / Math.max(one, 1)), 1, MOST_REPEATS);
                } else {
                    nanos[i][r - WARM_UP] = one;
                }
            }
        }
        return new Rounds(nanos);
    }

    double medianNanos(int contender) {
        return median(nanos[contender].clone());
    }

    /** Median over rounds of the time of one contender over the time of another in the same round. */
    double ratio(int contender, int other) {
        double[] ratios = new double[nanos[contender].length];
        for (int r = 0; r < ratios.length; r++) {
            ratios[r] = nanos[contender][r] / nanos[other][r];
        }
        return median(ratios);
    }

    static double median(double[] values) {
        Arrays.sort(values);
        int middle = values.length / 2;
        return values.length % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    }
}
