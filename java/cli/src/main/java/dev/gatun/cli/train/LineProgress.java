package dev.gatun.cli.train;

import java.io.PrintWriter;
import java.util.function.LongSupplier;

/** A plain line every five seconds, for logs and pipes. */
final class LineProgress implements Progress {
    private static final long EVERY_NANOS = 5_000_000_000L;

    private final PrintWriter err;
    private final String name;
    private final long done;
    private final long steps;
    private final LongSupplier clock;
    private final long begin;
    private long last;

    /** The clock, in nanoseconds, is a test's to replace. */
    LineProgress(PrintWriter err, String name, long done, long steps, LongSupplier clock) {
        this.err = err;
        this.name = name;
        this.done = done;
        this.steps = steps;
        this.clock = clock;
        begin = clock.getAsLong();
        last = begin;
    }

    @Override
    public void step(long step, double training, double validation) {
        long now = clock.getAsLong();
        if (now - last < EVERY_NANOS && step < steps) {
            return;
        }
        last = now;
        double seconds = (now - begin) / 1e9;
        String time = step < steps
                ? "%.0f s left".formatted(seconds / (step - done) * (steps - step))
                : "%.0f s".formatted(seconds);
        String measured = Double.isNaN(validation) ? "" : ", validation %.3f".formatted(validation);
        err.printf("%s: step %,d of %,d, loss %.3f%s, %s%n", name, step, steps, training, measured, time);
        err.flush();
    }

    @Override
    public void close() {
        err.flush();
    }
}
