package dev.gatun.cli.train;

import java.io.PrintWriter;

/** How far the training of one optimizer is, for whoever waits. */
interface Progress extends AutoCloseable {
    /**
     * A step was taken.
     *
     * @param training recent mean loss of the training batches, bits per example
     * @param validation the last one measured, NaN before the first
     */
    void step(long step, double training, double validation);

    @Override
    void close();

    /**
     * The progress of one optimizer: a bar on a terminal, else plain lines, because a bar writes carriage returns and
     * colours into a log.
     *
     * @param done steps taken before, in a resumed run
     */
    static Progress of(PrintWriter err, boolean terminal, String name, long done, long steps) {
        return terminal
                ? new BarProgress(name, done, steps)
                : new LineProgress(err, name, done, steps, System::nanoTime);
    }

    /** Whether someone sits in front of it; since JDK 22 there is a console also when nobody does. */
    static boolean onTerminal() {
        return System.console() != null && System.console().isTerminal();
    }
}
