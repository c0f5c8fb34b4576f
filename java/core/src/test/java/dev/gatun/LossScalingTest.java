package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Loss scales that follow the training. */
class LossScalingTest {
    private static final Rule RULE = Rule.parse("adamw(lr=0.01, weight_decay=0.1)");

    @TempDir
    Path folder;

    private final Arena arena = Arena.ofConfined();
    private Device device;

    @BeforeEach
    void open() {
        device = Device.cpu(1);
    }

    @AfterEach
    void close() {
        device.close();
        arena.close();
    }

    /** One weight of three elements in F16 and its gradient. */
    private final class Training implements AutoCloseable {
        final Tensor weight = Tensor.allocate(arena, DType.F16, 3);
        final Tensor gradient = Tensor.allocate(arena, DType.F16, 3);
        final Optimizer optimizer;

        Training(LossScaling scaling) {
            for (int i = 0; i < 3; i++) {
                weight.set(i, 0.5 * i);
            }
            OptimizerBuilder builder = Optimizer.builder(device).group(RULE, List.of(Parameter.of("w", weight)));
            optimizer = (scaling == null ? builder : builder.lossScaling(scaling)).build();
            optimizer.bindGradient(0, gradient);
        }

        /** A step with gradients of this size before they are scaled. */
        void step(double size) {
            double scale = optimizer.lossScale();
            for (int i = 0; i < 3; i++) {
                gradient.set(i, size * (i - 1.5) * scale);
            }
            optimizer.step();
        }

        @Override
        public void close() {
            optimizer.close();
        }
    }

    @Test
    void growsAndBacksOffAsGradScalerSays() {
        try (Training training = new Training(new LossScaling(1024, 2, 0.5, 3))) {
            // the size of a gradient, which at 1000 times the scale is more than an F16 can be, and the scale
            // afterwards
            double[][] expected = {
                {1e-3, 1024},
                {1e-3, 1024},
                {1e-3, 2048},
                {1e-3, 2048},
                {1000, 1024},
                {1000, 512},
                {1e-3, 512},
                {1e-3, 512},
                {1e-3, 1024},
                {1e-3, 1024},
                {1e-3, 1024},
                {1e-3, 2048}
            };
            for (double[] each : expected) {
                training.step(each[0]);
                assertThat(training.optimizer.report().skipped()).isEqualTo(each[0] > 1);
                assertThat(training.optimizer.lossScale())
                        .as("after step %d", training.optimizer.steps())
                        .isEqualTo(each[1]);
                assertThat(training.optimizer.lossScale()).as("asked again").isEqualTo(each[1]);
            }
            assertThat(training.optimizer.steps()).isEqualTo(expected.length);
            assertThat(training.optimizer.stepsTaken(0)).isEqualTo(expected.length - 2);
        }
    }

    @Test
    void theNumbersAreGradScalers() {
        assertThat(LossScaling.dynamic()).isEqualTo(new LossScaling(65536, 2, 0.5, 2000));
        try (Training training = new Training(LossScaling.dynamic())) {
            assertThat(training.optimizer.lossScale()).isEqualTo(65536);
        }
        try (Training training = new Training(null)) {
            training.step(1);
            assertThat(training.optimizer.lossScale()).isEqualTo(1);
        }
    }

    /** Nobody asks for the scale or a report between these steps: each counts all the same. */
    @Test
    void everyStepCountsAlsoIfNobodyLooks() {
        try (Training training = new Training(new LossScaling(8, 4, 0.5, 2))) {
            for (int step = 0; step < 6; step++) {
                training.optimizer.step();
            }
            training.gradient.set(1, Double.NaN);
            training.optimizer.step();
            assertThat(training.optimizer.lossScale()).isEqualTo(8 * 4 * 4 * 4 * 0.5);
        }
    }

    @Test
    void theStepIsThatOfTheUnscaledGradients() {
        // an F16 does not tell half of 2^-25 from 0: without a scale such gradients are nothing
        try (Training scaled = new Training(LossScaling.dynamic().withInterval(2));
                Training wide = new Training(null)) {
            Tensor gradient = Tensor.allocate(arena, DType.F32, 3);
            wide.optimizer.bindGradient(0, gradient);
            for (int step = 1; step <= 6; step++) {
                scaled.optimizer.gradientScale(0.25 * step);
                wide.optimizer.gradientScale(0.25 * step);
                scaled.step(0x1p-25);
                for (int i = 0; i < 3; i++) {
                    gradient.set(i, 0x1p-25 * (i - 1.5));
                }
                wide.optimizer.step();
                assertThat(scaled.optimizer.report().gradientNorm())
                        .isEqualTo(wide.optimizer.report().gradientNorm())
                        .isPositive();
                assertThat(bits(scaled)).isEqualTo(bits(wide));
            }
            assertThat(scaled.optimizer.lossScale()).isEqualTo(65536 * 8);
        }
    }

    private static byte[] bits(Training training) {
        return Problem.bits(List.of(
                training.weight,
                training.optimizer.state(0, "master"),
                training.optimizer.state(0, "m"),
                training.optimizer.state(0, "v")));
    }

    /** On a GPU, where nobody waits for a step before the next scale is asked for. */
    @Tag("device")
    @Test
    void everyDeviceDividesByItAndBacksOff() {
        Subject subject = new Subject("sing(lr=0.01)", DType.F32, null);
        LossScaling scaling = new LossScaling(1 / Run.GRADIENT_SCALE, 2, 0.5, 100);
        try (Device tested = TestDevice.open(2);
                Run scaled = new Run(subject, tested, builder -> builder.lossScaling(scaling));
                Run divided = new Run(subject, tested)) {
            scaled.optimizer.gradientScale(1);
            scaled.steps(1, 2);
            divided.steps(1, 2);
            assertThat(scaled.bits()).isEqualTo(divided.bits());
            scaled.bindAll(3);
            scaled.problem.gradients.get(9).set(130, Double.NaN);
            scaled.step();
            scaled.steps(3, 3); // the step before is looked at first: it divides by half as much
            divided.optimizer.gradientScale(2 * Run.GRADIENT_SCALE);
            divided.steps(3, 3);
            assertThat(scaled.optimizer.lossScale()).isEqualTo(0.5 / Run.GRADIENT_SCALE);
            assertThat(scaled.optimizer.stepsTaken()).isEqualTo(divided.optimizer.stepsTaken());
            assertThat(scaled.optimizer.report().gradientNorm())
                    .isEqualTo(divided.optimizer.report().gradientNorm());
        }
    }

    @Test
    void itStaysWithinWhatAFloatCanBe() {
        try (Training training = new Training(new LossScaling(0x1p-126, 0x1p100, 0.5, 1))) {
            training.gradient.set(0, Double.NaN);
            training.optimizer.step();
            assertThat(training.optimizer.lossScale()).as("no lower").isEqualTo(0x1p-126);
            training.gradient.set(0, 0);
            for (int step = 0; step < 5; step++) {
                training.optimizer.step();
            }
            assertThat(training.optimizer.lossScale()).as("no higher").isEqualTo(0x1p74);
        }
    }

    @Test
    void goesOnFromACheckpointAsIfNeverStopped() throws IOException {
        LossScaling scaling = new LossScaling(4096, 3, 0.3, 4);
        SplittableRandom random = new SplittableRandom(5);
        double[] sizes = random.doubles(40, 0, 1).map(x -> x < 0.2 ? 1e6 : x).toArray();
        Path half = folder.resolve("half");
        Path whole = folder.resolve("whole");
        Path resumed = folder.resolve("resumed");
        for (int k : new int[] {1, 7, 18, 23}) {
            try (Training training = new Training(scaling);
                    Training again = new Training(scaling)) {
                for (int step = 0; step < sizes.length; step++) {
                    if (step == k) {
                        training.optimizer.save(half);
                    }
                    training.step(sizes[step]);
                }
                training.optimizer.save(whole);
                again.step(1e6);
                again.optimizer.load(half);
                for (int step = k; step < sizes.length; step++) {
                    again.step(sizes[step]);
                }
                again.optimizer.save(resumed);
                assertThat(Files.mismatch(whole, resumed)).as("from step %d", k).isEqualTo(-1);
                assertThat(again.optimizer.lossScale()).isEqualTo(training.optimizer.lossScale());
                assertThat(Checkpoint.read(whole).lossScale()).hasValue(training.optimizer.lossScale());
            }
        }
    }

    @Test
    void aCheckpointWithoutOneStartsItAnewAndOneThatNobodyWantsIsLeftOut() throws IOException {
        Path without = folder.resolve("without");
        Path with = folder.resolve("with");
        LossScaling scaling = new LossScaling(64, 2, 0.5, 1);
        try (Training training = new Training(null);
                Training scaled = new Training(scaling)) {
            training.step(1);
            training.optimizer.save(without);
            assertThat(Checkpoint.read(without).lossScale()).isEmpty();
            scaled.step(1);
            scaled.optimizer.save(with);
            assertThat(Checkpoint.read(with).file().metadata()).containsEntry("loss_scale", "128.0, 0");
            scaled.optimizer.load(without);
            assertThat(scaled.optimizer.lossScale()).isEqualTo(64);
            training.optimizer.load(with);
            assertThat(training.optimizer.lossScale()).isEqualTo(1);
        }
    }

    @Test
    void rangesAreChecked() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Optimizer.builder(device)
                        .lossScaling(LossScaling.dynamic())
                        .checkFinite(false)
                        .build())
                .withMessageContaining("checkFinite");
        for (double bad : new double[] {0, -1, Double.NaN, Double.POSITIVE_INFINITY, 1e39, 1e-39}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> LossScaling.dynamic().withInitial(bad))
                    .withMessageContaining("initial must be from")
                    .withMessageEndingWith("is " + bad);
        }
        for (double bad : new double[] {1, 0.5, Double.NaN, Double.POSITIVE_INFINITY}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new LossScaling(1, bad, 0.5, 1))
                    .withMessage("growth must be above 1 and finite, and is " + bad);
        }
        for (double bad : new double[] {1, 0, -1, Double.NaN}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new LossScaling(1, 2, bad, 1))
                    .withMessage("backoff must be above 0 and below 1, and is " + bad);
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LossScaling.dynamic().withInterval(0))
                .withMessage("interval must be 1 or more, and is 0");
    }
}
