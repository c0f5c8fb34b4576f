package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.List;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;

/** {@link LayerMonitor} on sequences made for it. */
class LayerMonitorTest {
    private static final int WINDOW = 20;

    private final LayerMonitor monitor = new LayerMonitor(WINDOW, 1.2);

    private static StepReport report(int step, boolean skipped, double gain, double weight) {
        return new StepReport(
                step,
                1,
                skipped,
                null,
                List.of(new LayerNorms("gain", gain, Double.NaN), new LayerNorms("weight", weight, Double.NaN)));
    }

    private void observe(int steps, IntToDoubleFunction loss, IntToDoubleFunction gain, IntToDoubleFunction weight) {
        for (int step = 0; step < steps; step++) {
            monitor.observe(
                    loss.applyAsDouble(step),
                    report(step, false, gain.applyAsDouble(step), weight.applyAsDouble(step)));
        }
    }

    @Test
    void namesWhoGrowsWhileTheLossFalls() {
        observe(WINDOW - 1, step -> 2 - 0.01 * step, step -> 1 + 0.1 * step, step -> 5 - 0.1 * step);
        assertThat(monitor.growing()).as("the window is not full").isEmpty();
        observe(1, step -> 1.8, step -> 3, step -> 3);
        assertThat(monitor.growing()).containsExactly("gain");
        observe(WINDOW, step -> 1.7 - 0.01 * step, step -> 3, step -> 2);
        assertThat(monitor.growing()).as("it grows no longer").isEmpty();
    }

    @Test
    void nobodyIsToBlameForALossThatRises() {
        observe(WINDOW, step -> 2 + 0.01 * step, step -> 1 + 0.1 * step, step -> 1 + 0.1 * step);
        assertThat(monitor.growing()).isEmpty();
        observe(WINDOW, step -> 2, step -> 3 + 0.1 * step, step -> 1);
        assertThat(monitor.growing()).as("a loss that stands still").isEmpty();
    }

    @Test
    void aLittleGrowthAndSingleBatchesDoNotCount() {
        observe(WINDOW, step -> 2 - 0.01 * step, step -> 1 + 0.01 * step, step -> step % 7 == 6 && step > 9 ? 1e6 : 1);
        assertThat(monitor.growing()).isEmpty();
    }

    @Test
    void oneWithTwoValuesInAHalfDoesNotCountAndOneWithHalfOfThemDoes() {
        observe(
                WINDOW,
                step -> 2 - 0.01 * step,
                step -> step % 5 == 0 ? 1 + step : Double.NaN,
                step -> step % 2 == 0 ? 1 + step : Double.NaN);
        assertThat(monitor.growing()).containsExactly("weight");
    }

    @Test
    void refusedStepsAndLossesThatAreNoneAreLeftOut() {
        observe(WINDOW, step -> 2 - 0.01 * step, step -> 1 + 0.1 * step, step -> 1);
        for (int step = 0; step < WINDOW; step++) {
            monitor.observe(9, report(step, true, Double.POSITIVE_INFINITY, Double.NaN));
            monitor.observe(Double.NaN, report(step, false, 0, 0));
        }
        assertThat(monitor.growing()).containsExactly("gain");
    }

    @Test
    void whatItNeedsIsSaid() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> monitor.observe(1, new StepReport(7, 1, false, null, List.of())))
                .withMessageContaining("step 7")
                .withMessageContaining("reportNorms");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new LayerMonitor(5))
                .withMessage("window must be even and 4 or more, and is 5");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new LayerMonitor(4, Double.NaN))
                .withMessage("growth must be 1 or more and finite, and is NaN");
    }
}
