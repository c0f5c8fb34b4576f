package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every rule on what its section of the literature leaves unsaid: gradients of zero at the first step and later, for
 * tensors of one element, scalars, empty ones, rows of one element, weights of zero. Nothing may become NaN or
 * infinite, and all must be the model's.
 */
class EdgeCasesTest {
    private static final long[][] SHAPES = {
        {}, {1}, {0}, {0, 3}, {4, 0}, {5, 1}, {1, 5}, {1, 1}, {3, 4}, {2, 3, 2}, {9}, {2, 2}
    };

    /** The last two tensors begin as zero. */
    private static final int FIRST_ZERO = SHAPES.length - 2;

    static Stream<Subject> subjects() {
        return Subject.all(null)
                .filter(subject ->
                        subject.types().equals(Subject.Types.of(subject.types().weight()))
                                && !subject.types().weight().isHalf());
    }

    @ParameterizedTest
    @MethodSource("subjects")
    void zerosStayFiniteAndAreTheModels(Subject subject) {
        List<List<double[]>> actual = history(subject);
        List<List<double[]>> expected = history(subject.reference());
        double[] largest = new double[SHAPES.length]; // of the start and all steps so far, as a replay has it
        for (int step = 0; step < actual.size(); step++) {
            for (int i = 0; i < SHAPES.length; i++) {
                double[] a = actual.get(step).get(i);
                double[] e = expected.get(step).get(i);
                for (double value : e) {
                    largest[i] = Math.max(largest[i], Math.abs(value));
                }
                for (int k = 0; k < a.length; k++) {
                    assertThat(Math.abs(a[k] - e[k]))
                            .as("%s, step %d, p%d[%d]: %s, model %s", subject, step, i, k, a[k], e[k])
                            .isLessThanOrEqualTo(subject.tolerance() * largest[i]);
                }
            }
        }
    }

    /** Weights before and after steps with gradients of zero, some, zero again, some. */
    private static List<List<double[]>> history(Subject subject) {
        List<List<double[]>> history = new ArrayList<>();
        try (Problem problem = new Problem(subject.types(), subject.values(), SHAPES);
                Device device = Device.cpu(1)) {
            for (int i = FIRST_ZERO; i < SHAPES.length; i++) {
                problem.parameters.get(i).weight().memory().fill((byte) 0);
            }
            OptimizerBuilder builder = Optimizer.builder(device).group(subject.rule(), problem.parameters);
            if (subject.backend() != null) {
                builder.backend(subject.backend());
            }
            try (Optimizer optimizer = builder.build()) {
                optimizer.bindGradients(problem.gradients);
                history.add(weights(problem));
                for (int step = 1; step <= 8; step++) {
                    for (int i = 0; i < SHAPES.length; i++) {
                        SplittableRandom random = new SplittableRandom(31L * step + i);
                        Tensor gradient = problem.gradients.get(i);
                        for (long k = 0; k < gradient.length(); k++) {
                            gradient.set(k, step % 4 == 1 || step % 4 == 2 ? 0 : (float) random.nextGaussian());
                        }
                    }
                    optimizer.step();
                    assertThat(optimizer.report().skipped()).isFalse();
                    history.add(weights(problem));
                }
            }
        }
        return history;
    }

    private static List<double[]> weights(Problem problem) {
        return problem.parameters.stream()
                .map(parameter -> parameter.weight().toDoubles())
                .toList();
    }
}
