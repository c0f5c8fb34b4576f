package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Legal hyperparameters, gradients and step counts at the ends of their ranges: steps run, and are the model's. */
class ExtremesTest {
    private static final long[][] SHAPES = {{3, 4}, {17}, {}, {0}, {2, 1, 3}, {1}};

    private static Device device;

    @BeforeAll
    static void open() {
        device = Device.cpu(1);
    }

    @AfterAll
    static void close() {
        device.close();
    }

    /** Weights after some steps from a number of steps taken, with gradients of a size. */
    private static List<double[]> train(Rule rule, DType dtype, Backend backend, long taken, double size) {
        try (Problem problem = new Problem(dtype, SHAPES)) {
            OptimizerBuilder builder = Optimizer.builder(device).group(rule, problem.parameters);
            if (backend != null) {
                builder.backend(backend);
            }
            try (Optimizer optimizer = builder.build()) {
                if (taken > 0) {
                    long[] all = new long[SHAPES.length];
                    Arrays.fill(all, taken);
                    optimizer.resume(all);
                }
                optimizer.bindGradients(problem.gradients);
                for (int step = 1; step <= 4; step++) {
                    problem.bindInputs(optimizer, step);
                    for (int i = 0; i < SHAPES.length; i++) {
                        SplittableRandom random = new SplittableRandom(100L * step + i);
                        Tensor gradient = problem.gradients.get(i);
                        for (long k = 0; k < gradient.length(); k++) {
                            gradient.set(k, (float) (random.nextDouble(-1, 1) * size));
                        }
                    }
                    optimizer.step();
                    boolean refused = optimizer.report().skipped();
                    assertThat(refused && size <= 1e18)
                            .as("%s, step %d refused, gradients to %s", rule, step, size)
                            .isFalse();
                    assertThat(refused || optimizer.stepsTaken(0) == taken + step)
                            .isTrue();
                }
            }
            assertThat(problem.sentinelsIntact()).isTrue();
            return problem.parameters.stream().map(p -> p.weight().toDoubles()).toList();
        }
    }

    private static void requireModels(Rule rule, DType dtype, long taken, double size, double tolerance) {
        List<double[]> actual = train(rule, dtype, null, taken, size);
        List<double[]> expected = train(rule, dtype, new ModelBackend(), taken, size);
        for (int i = 0; i < SHAPES.length; i++) {
            double largest = 1; // as the first weights: a step may end where almost nothing is left of them
            for (double value : expected.get(i)) {
                largest = Double.isNaN(value) ? largest : Math.max(largest, Math.abs(value));
            }
            for (int k = 0; k < expected.get(i).length; k++) {
                double a = actual.get(i)[k];
                double e = expected.get(i)[k];
                assertThat(a == e || Math.abs(a - e) <= tolerance * largest || Double.isNaN(a) && Double.isNaN(e))
                        .as(
                                "%s %s from step %d, gradients to %s: p%d[%d] is %s, model %s",
                                rule, dtype, taken, size, i, k, a, e)
                        .isTrue();
            }
        }
    }

    /** Every value of RuleTest that a constructor takes. */
    static Stream<Arguments> accepted() {
        List<Arguments> accepted = new ArrayList<>();
        RuleTest.numbers().forEach(arguments -> {
            Object[] each = arguments.get();
            try {
                accepted.add(Arguments.of(RuleTest.with((Rule) each[0], (String) each[1], (double) each[2]), each[2]));
            } catch (IllegalArgumentException e) {
                // refused, as RuleTest says
            } catch (Throwable e) {
                throw new AssertionError(e);
            }
        });
        return accepted.stream();
    }

    @ParameterizedTest
    @MethodSource("accepted")
    void everyAcceptedHyperparameterTakesSteps(Rule rule, double value) {
        train(rule, DType.F32, null, 0, 1);
        if (value <= 1) { // larger ones overflow, and where is a matter of the order of operations
            requireModels(rule, DType.F64, 0, 1, 1e-11);
        } else {
            train(rule, DType.F64, null, 0, 1);
        }
    }

    static Stream<Subject> subjects() {
        return Subject.SPECIFICATIONS.stream()
                .flatMap(
                        specification -> Stream.of(DType.F32, DType.F64).map(d -> new Subject(specification, d, null)));
    }

    @ParameterizedTest
    @MethodSource("subjects")
    void stepsFarOnAreTheModels(Subject subject) {
        for (long taken : new long[] {(1L << 24) - 2, (1L << 31) - 2, 1L << 40}) {
            requireModels(subject.rule(), subject.types().weight(), taken, 1, subject.tolerance());
        }
    }

    @ParameterizedTest
    @MethodSource("subjects")
    void denormalGradientsAreTheModels(Subject subject) {
        // F32 has ten bits or fewer of a state near 1e-42, and rules that normalize show all of that in their step
        double tolerance = subject.types().weight() == DType.F32 ? 0.03 : subject.tolerance();
        requireModels(subject.rule(), subject.types().weight(), 0, 1e-41, tolerance);
    }

    /**
     * What makes no infinite square steps, the rest is refused, so no weight becomes NaN at this step or a later one. But AdaL
     * multiplies gradients by norms before it squares them; from 1e9 on that may overflow.
     */
    @ParameterizedTest
    @MethodSource("subjects")
    void hugeGradientsMakeNoNan(Subject subject) {
        boolean limited = subject.rule() instanceof AdaL && subject.types().weight() == DType.F32;
        for (double size : limited ? new double[] {1e8} : new double[] {1e8, 1e18, 1e20, 3e38}) {
            for (double[] weight : train(subject.rule(), subject.types().weight(), null, 0, size)) {
                for (double value : weight) {
                    assertThat(value).as("%s, gradients to %s", subject, size).isNotNaN();
                }
            }
        }
    }
}
