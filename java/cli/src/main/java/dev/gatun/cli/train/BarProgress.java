package dev.gatun.cli.train;

import java.time.Duration;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** A bar that rewrites its line, with the time left. */
final class BarProgress implements Progress {
    private final ProgressBar bar;

    BarProgress(String name, long done, long steps) {
        bar = new ProgressBarBuilder()
                .setTaskName(name)
                .setInitialMax(steps)
                .startsFrom(done, Duration.ZERO)
                .setStyle(ProgressBarStyle.ASCII)
                .setUpdateIntervalMillis(200)
                .build();
    }

    @Override
    public void step(long step, double training, double validation) {
        bar.setExtraMessage(" " + Progress.losses(training, validation));
        bar.stepTo(step);
    }

    @Override
    public void close() {
        bar.close();
    }
}
