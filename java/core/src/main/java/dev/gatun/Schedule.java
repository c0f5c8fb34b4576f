package dev.gatun;

/**
 * The learning rate at every step. Any function will do; those made here are phases that follow each other with
 * {@link #then} and have strings, as in {@code warmup(5%)+constant(60%)+cosine}.
 */
@FunctionalInterface
public interface Schedule {
    /**
     * The learning rate of a step.
     *
     * @param step from 1; {@link Optimizer#steps} counts refused steps, too
     * @param lr the rule's learning rate
     */
    double rate(long step, double lr);

    /** How many steps it has something to say about; {@link Long#MAX_VALUE} if it never ends. */
    default long length() {
        return Long.MAX_VALUE;
    }

    /**
     * This schedule for its {@link #length}, then the other, which counts its steps from 1 again.
     *
     * @throws IllegalArgumentException if this one never ends
     */
    default Schedule then(Schedule next) {
        return new Schedules.Sequence(this, Check.notNull("next", next));
    }

    /** The rule's learning rate at every step. */
    static Schedule constant() {
        return new Schedules.Constant(Long.MAX_VALUE);
    }

    /** The rule's learning rate, for a number of steps. */
    static Schedule constant(long steps) {
        return new Schedules.Constant(steps);
    }

    /** From {@code lr / steps} in a straight line to {@code lr} at the last of these steps; then lr. */
    static Schedule warmup(long steps) {
        return new Schedules.Warmup(steps);
    }

    /**
     * Half a cosine from lr at step 1 towards 0, which it would reach one step after {@code total} (Loshchilov and
     * Hutter, 1608.03983): {@code lr * (1 + cos(pi * (step - 1) / total)) / 2}; then 0.
     */
    static Schedule cosine(long total) {
        return new Schedules.Cosine(total);
    }

    /** Multiplies by {@code factor}, 0 or more, after every {@code every} steps. */
    static Schedule step(long every, double factor) {
        return new Schedules.Steps(every, factor);
    }

    /**
     * Reads a schedule's string: phases {@code constant}, {@code constant(N)}, {@code warmup(N)}, {@code cosine},
     * {@code cosine(TOTAL)}, {@code step(EVERY, FACTOR)}, joined by {@code +}. N counts steps, or is a share of all
     * steps as in {@code 5%}. The TOTAL of {@code cosine} is counted from the beginning of the training, warm-up
     * included: it ends there; without it, it ends with the training.
     *
     * @param totalSteps of the training, for shares and for a cosine that ends with it
     * @throws SpecificationException for anything else; it shows where
     */
    static Schedule parse(String specification, long totalSteps) {
        return new ScheduleParser(specification, totalSteps).parse();
    }
}
