package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.withinPercentage;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Reduction on a plateau: PyTorch's rules, and nothing forgotten by a checkpoint. */
class PlateauTest {
    private static final double NAN = Double.NaN;
    private static final double INFINITY = Double.POSITIVE_INFINITY;

    @TempDir
    Path folder;

    private static Plateau plateau(String specification) {
        return (Plateau) Schedule.parse(specification, 1);
    }

    /** The rate after each metric, counted by hand from the rules of ReduceLROnPlateau. */
    @Test
    void ratesAreThoseOfReduceLROnPlateau() {
        // patience 2: the third metric in a row that is no better lowers the rate, and the count begins again
        requireRates("plateau(patience=2)", metrics(3, 2, 2, 2, 2, 2, 2, 2), rates(1, 1, 1, 1, .1, .1, .1, .01));
        // a better one in between begins the count again
        requireRates("plateau(patience=1)", metrics(3, 3, 2, 2, 1, 1, 1), rates(1, 1, 1, 1, 1, 1, .1));
        // two metrics of cooldown do not count, be they as they may
        requireRates(
                "plateau(patience=0, cooldown=2)",
                metrics(1, 1, 1, 1, 1, 1, 1, 1),
                rates(1, .1, .1, .1, .01, .01, .01, .001));
        // better by too little is no better: 1e-4 of the best, or so much itself
        requireRates("plateau(patience=0)", metrics(1, .99991, .99989), rates(1, .1, .1));
        requireRates(
                "plateau(patience=0, threshold=0.5, threshold_mode=abs)",
                metrics(9, 8.6, 8.4, 8.0),
                rates(1, .1, .1, .01));
        requireRates("plateau(mode=max, patience=0)", metrics(1, 1.00009, 1.00011, 0.5), rates(1, .1, .1, .01));
        requireRates(
                "plateau(mode=max, patience=0, threshold=1, threshold_mode=abs)",
                metrics(1, 1.9, 2.1),
                rates(1, .1, .1));
        // the floor, and reductions too small to be made
        requireRates("plateau(patience=0, min_lr=0.3)", metrics(1, 1, 1), rates(1, .3, .3));
        requireRates("plateau(patience=0, min_lr=2)", metrics(1, 1, 1), rates(1, 1, 1));
        requireRates("plateau(patience=0, factor=0.5, eps=0.3)", metrics(1, 1, 1, 1), rates(1, .5, .5, .5));
        // a loss that is no number any more is no better
        requireRates("plateau(patience=0)", metrics(NAN, 1, NAN, INFINITY), rates(.1, .1, .01, .001));
    }

    private static double[] metrics(double... values) {
        return values;
    }

    private static double[] rates(double... values) {
        return values;
    }

    private static void requireRates(String specification, double[] metrics, double[] rates) {
        Plateau plateau = plateau(specification);
        assertThat(plateau.rate(1, 1)).isEqualTo(1);
        List<Double> seen = new ArrayList<>();
        for (double metric : metrics) {
            plateau.observe(metric);
            seen.add(plateau.rate(7, 1));
        }
        for (int i = 0; i < rates.length; i++) {
            assertThat(seen.get(i))
                    .as(specification + " after %d of %s", i + 1, seen)
                    .isCloseTo(rates[i], withinPercentage(1e-10));
        }
    }

    /** PyTorch multiplies rate by rate, so 0.1 three times, which is not 0.001. */
    @Test
    void reductionsMultiplyOneByOne() {
        Plateau plateau = plateau("plateau(patience=0)");
        for (int i = 0; i < 4; i++) {
            plateau.observe(1);
        }
        assertThat(plateau.reductions()).isEqualTo(3);
        assertThat(plateau.rate(1, 0.3)).isEqualTo(0.3 * 0.1 * 0.1 * 0.1);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "plateau | plateau",
                "plateau() | plateau",
                "plateau(patience=10) | plateau",
                "plateau( min_lr=1e-6, patience=5 ) | plateau(patience=5, min_lr=1e-6)",
                "plateau(eps=0, cooldown=12345678, threshold_mode=abs, threshold=.5, patience=0, factor=.5, mode=max)"
                        + " | plateau(mode=max, factor=0.5, patience=0, threshold=0.5, threshold_mode=abs,"
                        + " cooldown=12345678, eps=0)",
                "warmup(10)+plateau(factor=0.2) | warmup(10)+plateau(factor=0.2)",
            })
    void stringsAreReadAndPrinted(String specification, String printed) {
        assertThat(Schedule.parse(specification, 100)).hasToString(printed);
        assertThat(Schedule.parse(printed, 100)).hasToString(printed);
    }

    @Test
    void metricsReachItThroughItsPhases() {
        Schedule schedule = Schedule.parse("warmup(4)+plateau(patience=0)", 100);
        assertThat(schedule.state()).isEqualTo("|mode min, best Infinity, bad 0, cooldown 0, reductions 0");
        schedule.observe(1);
        schedule.observe(2);
        assertThat(schedule.rate(2, 1)).isEqualTo(0.5);
        assertThat(schedule.rate(5, 1)).isEqualTo(0.1);
        Schedule cosine = Schedule.parse("warmup(4)+cosine", 100);
        cosine.observe(1);
        assertThat(cosine.state()).isEmpty();
    }

    /** At any point of any series, going on from the state is the same as going on. */
    @Test
    void stateIsAllThereIs() {
        SplittableRandom random = new SplittableRandom(3);
        String[] specifications = {
            "plateau(patience=1, cooldown=2, factor=0.7)",
            "plateau(mode=max, patience=0, factor=0.9)",
            "warmup(3)+plateau(patience=2, threshold=0.1)"
        };
        for (int i = 0; i < 300; i++) {
            Schedule whole = Schedule.parse(specifications[i % 3], 10);
            Schedule resumed = Schedule.parse(specifications[i % 3], 10);
            int before = random.nextInt(20);
            for (int k = 0; k < before; k++) {
                whole.observe(random.nextInt(-3, 3) * 0.37);
            }
            resumed.observe(-100); // what it saw before is gone
            resumed.restore(whole.state());
            for (int k = 0; k < 20; k++) {
                double metric = random.nextInt(8) == 0 ? NAN : random.nextInt(-3, 3) * 0.37;
                whole.observe(metric);
                resumed.observe(metric);
                assertThat(resumed.rate(9, 1)).isEqualTo(whole.rate(9, 1));
                assertThat(resumed.state()).isEqualTo(whole.state());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "x",
                "mode min, best 1, bad 0, cooldown 0, reductions 0",
                "mode min, best NaN, bad 0, cooldown 0, reductions 0",
                "mode min, best 1.0, bad -1, cooldown 0, reductions 0",
                "mode min, best 1.0, bad 0, cooldown 0, reductions 9999999999",
                "mode min, best 1.0, bad 0, cooldown 0, reductions 0, more 1",
                "mode max, best 1.0, bad 0, cooldown 0, reductions 0",
                "|mode min, best 1.0, bad 0, cooldown 0, reductions 0",
            })
    void otherStatesAreRefusedAndChangeNothing(String state) {
        Plateau plateau = plateau("plateau(patience=0)");
        plateau.observe(0.5);
        plateau.observe(0.7);
        String before = plateau.state();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> plateau.restore(state))
                .withMessageContaining(state);
        assertThat(plateau.state()).isEqualTo(before);
    }

    /** Saved, loaded and gone on equals never having stopped. */
    @Test
    void checkpointsKeepIt() throws IOException {
        Path file = folder.resolve("run.safetensors");
        double[] metrics = {3, 2, 2, 2, 2, 1, 1, 1, 1, 1};
        float[] whole;
        try (Training training = new Training()) {
            training.run(metrics, 0, 10);
            whole = training.weights();
        }
        try (Training first = new Training();
                Training second = new Training()) {
            first.run(metrics, 0, 3);
            first.optimizer.save(file);
            assertThat(Checkpoint.read(file).scheduleState(0)).contains("best 2.0, bad 1");
            second.schedule.observe(-5); // left from something else
            second.optimizer.load(file);
            second.run(metrics, 3, 10);
            assertThat(second.weights()).isEqualTo(whole);
            assertThat(second.schedule.state()).isNotEqualTo(first.schedule.state());
        }
    }

    /** One that was saved before it had seen anything, and one of a run without a plateau, begin at the beginning. */
    @Test
    void aCheckpointWithoutStateIsTheBeginning() throws IOException {
        Path file = folder.resolve("constant.safetensors");
        try (Training plain = new Training(Schedule.constant());
                Training training = new Training()) {
            plain.optimizer.save(file);
            assertThat(Checkpoint.read(file).file().metadata()).doesNotContainKey("schedule/0");
            training.run(new double[] {1, 2, 3, 4, 5}, 0, 5);
            assertThat(training.schedule.rate(10, 1)).isLessThan(1);
            training.optimizer.load(file);
            assertThat(training.schedule.rate(10, 1)).isEqualTo(1);
            training.optimizer.save(file);
            plain.optimizer.load(file); // the schedule is the run's: a constant has nothing to restore
        }
    }

    @Test
    void anotherPlateausCheckpointIsRefusedWhole() throws IOException {
        Path file = folder.resolve("max.safetensors");
        try (Training other = new Training(Schedule.parse("plateau(mode=max)", 1));
                Training training = new Training()) {
            other.run(new double[] {1, 2, 3}, 0, 3);
            other.optimizer.save(file);
            float[] weights = training.weights();
            String state = training.schedule.state();
            assertThatThrownBy(() -> training.optimizer.load(file))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("the schedule")
                    .hasMessageContaining("phases");
            assertThat(training.weights()).isEqualTo(weights);
            assertThat(training.optimizer.steps()).isZero();
            assertThat(training.schedule.state()).isEqualTo(state);
        }
    }

    /** The first group's schedule would have taken its state; the second's refuses, and both stay. */
    @Test
    void ofSeveralSchedulesAllOrNoneAreRestored() {
        Schedule first = Schedule.parse("plateau(patience=0)", 1);
        Schedule second = Schedule.parse("plateau(mode=max)", 1);
        first.observe(1);
        List<String> before = List.of(first.state(), second.state());
        String saved = "mode min, best 0.5, bad 3, cooldown 0, reductions 2";
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Schedules.restoreAll(List.of(first, second), List.of(saved, saved)))
                .withMessageContaining("mode max");
        assertThat(List.of(first.state(), second.state())).isEqualTo(before);
    }

    /** Steps of SGD with a gradient of ones: the weight is minus the sum of the rates. */
    private static final class Training implements AutoCloseable {
        final Schedule schedule;
        final Optimizer optimizer;
        private final Arena arena = Arena.ofConfined();
        private final Device device = Device.cpu(1);
        private final Tensor weight = Tensor.of(arena, new float[] {0, 1}, 2);

        Training() {
            this(Schedule.parse("warmup(2)+plateau(patience=1, factor=0.5)", 10));
        }

        Training(Schedule schedule) {
            this.schedule = schedule;
            optimizer = Optimizer.of(
                    device,
                    ParameterGroup.of(Sgd.of(0.1), List.of(Parameter.of("w", weight)))
                            .withSchedule(schedule));
            optimizer.bindGradients(List.of(Tensor.of(arena, new float[] {1, 1}, 2)));
        }

        void run(double[] metrics, int from, int to) {
            for (int i = from; i < to; i++) {
                optimizer.step();
                schedule.observe(metrics[i]);
            }
        }

        float[] weights() {
            return new float[] {(float) weight.get(0), (float) weight.get(1)};
        }

        @Override
        public void close() {
            optimizer.close();
            device.close();
            arena.close();
        }
    }
}
