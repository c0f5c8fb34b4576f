package dev.gatun.cli;

import dev.gatun.Optimizer;
import dev.gatun.Rule;
import java.util.function.LongConsumer;
import java.util.function.LongUnaryOperator;

/**
 * Something that is timed in every round: an optimizer's step, or a loop that only moves memory.
 *
 * @param rule null for a loop
 * @param optimizer null for a loop
 * @param bytes moved per parameter
 * @param partner index of the loop that moves as many arrays as this optimizer does, -1 for a loop
 * @param nanos does it so many times and says how many nanoseconds that took
 */
record Contender(
        Rule rule, Optimizer optimizer, boolean checkFinite, double bytes, int partner, LongUnaryOperator nanos) {
    static Contender loop(double bytes, LongConsumer work, Runnable synchronize) {
        return new Contender(null, null, false, bytes, -1, clocked(work, synchronize));
    }

    static Contender loop(double bytes, LongConsumer work) {
        return loop(bytes, work, () -> {});
    }

    /** Work that is done when {@code synchronize} returns. */
    static LongUnaryOperator clocked(LongConsumer work, Runnable synchronize) {
        return repeats -> {
            long begin = System.nanoTime();
            work.accept(repeats);
            synchronize.run();
            return System.nanoTime() - begin;
        };
    }
}
