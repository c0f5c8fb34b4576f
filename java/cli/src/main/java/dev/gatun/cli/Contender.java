package dev.gatun.cli;

import dev.gatun.Optimizer;
import dev.gatun.Rule;
import java.util.function.LongConsumer;

/**
 * Something that is timed in every round: an optimizer's step, or a loop that only moves memory.
 *
 * @param rule null for a loop
 * @param optimizer null for a loop
 * @param bytes moved per parameter
 * @param partner index of the loop that moves as many arrays as this optimizer does, -1 for a loop
 * @param work does it so many times
 */
record Contender(Rule rule, Optimizer optimizer, boolean checkFinite, double bytes, int partner, LongConsumer work) {
    static Contender loop(double bytes, LongConsumer work) {
        return new Contender(null, null, false, bytes, -1, work);
    }
}
