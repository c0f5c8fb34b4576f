package dev.gatun.cli.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class LineProgressTest {
    @Test
    void aPlainLineEveryFiveSecondsAndAtTheEnd() {
        StringWriter text = new StringWriter();
        AtomicLong seconds = new AtomicLong();
        try (Progress progress =
                new LineProgress(new PrintWriter(text), "adamw", 0, 1_000, () -> seconds.get() * 1_000_000_000L)) {
            for (int step = 1; step <= 1_000; step++) {
                seconds.set(step / 100);
                progress.step(step, 3.25, step < 600 ? Double.NaN : 2.5);
            }
        }
        assertThat(text.toString().lines())
                .containsExactly(
                        "adamw: step 500 of 1,000, loss 3.250, 5 s left",
                        "adamw: step 1,000 of 1,000, loss 3.250, validation 2.500, 10 s");
    }

    @Test
    void theTimeLeftOfAResumedRunCountsItsOwnSteps() {
        StringWriter text = new StringWriter();
        AtomicLong seconds = new AtomicLong();
        try (Progress progress =
                new LineProgress(new PrintWriter(text), "sgd", 900, 1_000, () -> seconds.get() * 1_000_000_000L)) {
            seconds.set(10);
            progress.step(950, 3.25, Double.NaN);
        }
        assertThat(text.toString()).contains("10 s left");
    }
}
