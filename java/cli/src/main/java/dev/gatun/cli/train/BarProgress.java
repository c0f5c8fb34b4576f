package dev.gatun.cli.train;

import java.time.Duration;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** A bar that rewrites its line on stderr, with the time left. */
final class BarProgress implements Progress {
    /** Fits the narrowest usual terminal. */
    private static final int WIDTH = 79;

    private final ProgressBar bar;

    BarProgress(String name, long done, long steps) {
        bar = new ProgressBarBuilder()
                .setTaskName(name)
                .setInitialMax(steps)
                .startsFrom(done, Duration.ZERO)
                .setStyle(ProgressBarStyle.ASCII)
                .setUpdateIntervalMillis(200)
                // With a width and a stream it asks no terminal library for them. That library, JLine, would give
                // SIGINT back to the system, and Ctrl-C would end the JVM before a checkpoint is written.
                .setConsumer(new ConsoleProgressBarConsumer(System.err, WIDTH))
                .build();
    }

    @Override
    public void step(long step, double training, double validation) {
        String text = " loss %.3f".formatted(training);
        bar.setExtraMessage(Double.isNaN(validation) ? text : text + ", val. %.3f".formatted(validation));
        bar.stepTo(step);
    }

    @Override
    public void close() {
        bar.close();
    }
}
