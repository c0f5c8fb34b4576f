package dev.gatun;

import java.nio.file.Path;

/**
 * Is told what happens to an optimizer, by the thread that uses it, after it happened: {@link OptimizerBuilder#listener}.
 * What it throws comes out of the call that it was told of; that has then been done all the same.
 *
 * <p>The same events are there for the JDK's Flight Recorder, off by default, see {@code docs/observing.md}.
 */
public interface OptimizerListener {
    /**
     * A step was taken, or on a GPU asked for.
     *
     * @param step {@link Optimizer#steps} with it
     */
    default void stepped(Optimizer optimizer, long step) {}

    /**
     * A step was refused. On the CPU this follows {@link #stepped} at once. A GPU is not waited for: there it comes when
     * {@link Optimizer#report} or {@link Optimizer#lossScale} look at what the last step did, and if they do not, never.
     *
     * @param report of that step, with the reason
     */
    default void skipped(Optimizer optimizer, StepReport report) {}

    /** A checkpoint was saved and is on the disk. */
    default void saved(Optimizer optimizer, Path file) {}

    /** A checkpoint was loaded. */
    default void loaded(Optimizer optimizer, Path file) {}

    /**
     * The optimizer holds another amount of memory on its device than before: when it was built, measures norms for the
     * first time, and with 0 when it is closed.
     *
     * @param bytes of state, masters and counters that the optimizer allocated; none of weights, gradients and adopted state
     */
    default void memory(Optimizer optimizer, long bytes) {}
}
