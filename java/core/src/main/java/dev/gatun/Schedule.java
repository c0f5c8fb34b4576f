package dev.gatun;

import java.util.List;

/**
 * The learning rate at every step. Any function will do; those made here are phases that follow each other with
 * {@link #then} and have strings, as in {@code warmup(5%)+constant(60%)+cosine}.
 *
 * <p>Where PyTorch has a scheduler of the kind, the formula is that scheduler's with its {@code last_epoch} one less than
 * the step. One call of {@link Optimizer#step} is one step, a refused one, too; so is one call of PyTorch's
 * {@code scheduler.step()} after every batch.
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

    /** The phases that follow each other, in their order: itself alone, unless {@link #then} made it. */
    default List<Schedule> phases() {
        return List.of(this);
    }

    /**
     * Tells it a metric, such as the validation loss after an epoch. {@link Plateau} looks at it; to schedules whose rates
     * depend on the step alone it is nothing.
     */
    default void observe(double metric) {}

    /**
     * What {@link #observe} has left behind; empty where that is nothing. {@link Optimizer#save} keeps it.
     *
     * @return text without {@code |}
     */
    default String state() {
        return "";
    }

    /**
     * Goes back to a {@link #state}; {@link Optimizer#load} does so.
     *
     * @param state empty for the beginning
     * @throws IllegalArgumentException if this is not a state of such a schedule; then nothing has changed
     */
    default void restore(String state) {}

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

    /**
     * From {@code lr / steps} in a straight line to {@code lr} at the last of these steps; then lr. PyTorch's
     * {@code LinearLR(start_factor=1/steps, total_iters=steps-1)}.
     */
    static Schedule warmup(long steps) {
        return new Schedules.Warmup(steps);
    }

    /**
     * Half a cosine from lr at step 1 towards 0, which it would reach one step after {@code total} (Loshchilov and
     * Hutter, 1608.03983): {@code lr * (1 + cos(pi * (step - 1) / total)) / 2}; then 0. PyTorch's
     * {@code CosineAnnealingLR(T_max=total)}, which rises again behind total.
     */
    static Schedule cosine(long total) {
        return new Schedules.Cosine(total);
    }

    /**
     * {@code lr * (1 - (step - 1) / total)^power}, then 0: a straight line for power 1. PyTorch's
     * {@code PolynomialLR(total_iters=total, power=power)}.
     *
     * @param power 0 or more
     */
    static Schedule polynomial(long total, double power) {
        return new Schedules.Polynomial(total, power);
    }

    /**
     * Up from lr / 25 to lr over 30 % of the steps, and down to lr / 250,000 at the last, each way half a cosine (Smith and
     * Topin, 1708.07120); then that. PyTorch's {@code OneCycleLR(max_lr=lr, total_steps=total, cycle_momentum=False)}: momentum
     * and beta1 stay as they are.
     */
    static Schedule oneCycle(long total) {
        return new Schedules.OneCycle(total);
    }

    /**
     * As {@link #oneCycle(long)} with other numbers.
     *
     * @param pctStart share of the steps on the way up, 0 or more and below 1
     * @param divFactor it begins at lr / divFactor; 1 or more
     * @param finalDivFactor it ends at lr / divFactor / finalDivFactor; 1 or more
     */
    static Schedule oneCycle(long total, double pctStart, double divFactor, double finalDivFactor) {
        return new Schedules.OneCycle(total, pctStart, divFactor, finalDivFactor);
    }

    /** Multiplies by {@code factor}, 0 or more, after every {@code every} steps. PyTorch's {@code StepLR}. */
    static Schedule step(long every, double factor) {
        return new Schedules.Steps(every, factor);
    }

    /** Multiplies by {@code factor}, 0 or more, after every step. PyTorch's {@code ExponentialLR}. */
    static Schedule exponential(double factor) {
        return new Schedules.Steps(1, factor);
    }

    /**
     * Multiplies by {@code factor}, 0 or more, after each of these steps. PyTorch's {@code MultiStepLR}.
     *
     * @param milestones one or more steps, increasing from 1 or more
     */
    static Schedule multiStep(List<Long> milestones, double factor) {
        return new Schedules.MultiStep(milestones, factor);
    }

    /**
     * Reads a schedule's string: phases {@code constant}, {@code constant(N)}, {@code warmup(N)}, {@code cosine},
     * {@code cosine(TOTAL)}, {@code polynomial(TOTAL, POWER)}, {@code onecycle(TOTAL, pct_start=0.3, div_factor=25,
     * final_div_factor=1e4)}, {@code step(EVERY, FACTOR)}, {@code exponential(FACTOR)}, {@code multistep(AT, ..., FACTOR)} and
     * {@code plateau(mode=min, factor=0.1, patience=10, ...)}, joined by {@code +}. What has a default may be left out.
     *
     * <p>N and EVERY count steps; TOTAL and AT are places, counted from the beginning of the training, phases before
     * included. All of them can be a share of all steps as in {@code 5%}; without a TOTAL, the phase ends with the training.
     *
     * @param totalSteps of the training, for shares and for phases that end with it
     * @throws SpecificationException for anything else; it shows where
     */
    static Schedule parse(String specification, long totalSteps) {
        return new ScheduleParser(specification, totalSteps).parse();
    }
}
