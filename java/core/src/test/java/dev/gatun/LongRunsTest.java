package dev.gatun;

import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A thousand steps of every rule beside the model in float64: roundings add up, and nothing may drift beyond that. */
class LongRunsTest {
    private static final int STEPS = 1000;
    private static final long[][] SHAPES = {{7, 13}, {2, 3, 3, 3}, {17}, {3}};

    static Stream<Subject> subjects() {
        return Subject.all(null);
    }

    @ParameterizedTest
    @MethodSource("subjects")
    void aThousandStepsStayBesideTheModel(Subject subject) {
        boolean single = subject.types().weight().arithmetic() == DType.F32;
        try (Device device = Device.cpu(1);
                Run run = run(subject, device);
                Run reference = run(subject.reference(), device)) {
            double[] largest = new double[SHAPES.length];
            for (int step = 1; step <= STEPS; step++) {
                run.steps(step, step);
                reference.steps(step, step);
                OptimizerContract.requireClose(
                        subject + ": weights after step " + step,
                        single ? 1e-5 : 1e-11,
                        run.masters(),
                        reference.problem.weights(),
                        largest);
            }
        }
    }

    private static Run run(Subject subject, Device device) {
        return new Run(subject, device, UnaryOperator.identity(), Schedule.constant(), SHAPES);
    }
}
