package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Gradients of several batches that are added up, and then one step: as a step on their mean. */
class AccumulationTest {
    private static final List<String> RULES = List.of(
            "adamw(lr=0.01, weight_decay=0.1)",
            "sgd(lr=0.1, momentum=0.9)",
            "sing(lr=0.01)",
            "clip(lamb(lr=0.01), norm=0.5)");

    private static void add(Problem problem, Problem batches, int batch) {
        batches.fill(batch);
        for (int i = 0; i < problem.gradients.size(); i++) {
            Tensor sum = problem.gradients.get(i);
            Tensor gradient = batches.gradients.get(i);
            for (long k = 0; k < sum.length(); k++) {
                sum.set(k, (float) sum.get(k) + (float) gradient.get(k));
            }
        }
    }

    private static Optimizer optimizer(Device device, String rule, Problem problem, boolean zeroes) {
        Optimizer optimizer = Optimizer.builder(device)
                .group(Rule.parse(rule), problem.parameters)
                .zeroGradients(zeroes)
                .build();
        optimizer.bindGradients(problem.gradients);
        return optimizer;
    }

    /** The sum is the same, so with a scale of 1/k every bit is: whatever k, and from step to step. */
    @ParameterizedTest
    @ValueSource(ints = {1, 3, 4})
    void aStepAfterKBatchesIsTheStepOnTheirSum(int k) {
        for (String rule : RULES) {
            try (Device device = Device.cpu(2);
                    Problem batches = new Problem(DType.F32, Problem.SHAPES);
                    Problem added = new Problem(DType.F32, Problem.SHAPES);
                    Problem once = new Problem(DType.F32, Problem.SHAPES);
                    Optimizer adds = optimizer(device, rule, added, true);
                    Optimizer steps = optimizer(device, rule, once, false)) {
                adds.gradientScale(1.0 / k);
                steps.gradientScale(1.0 / k);
                for (int step = 0; step < 4; step++) {
                    once.gradients.forEach(gradient -> gradient.memory().fill((byte) 0));
                    for (int batch = 0; batch < k; batch++) {
                        add(added, batches, k * step + batch + 1); // into gradients that the last step left zero
                        add(once, batches, k * step + batch + 1);
                    }
                    adds.step();
                    steps.step();
                    assertThat(added.weightBits())
                            .as("%s after step %d", rule, step + 1)
                            .isEqualTo(once.weightBits());
                    assertThat(added.gradientBits()).containsOnly(0);
                }
            }
        }
    }

    /** 1/4 is exact, so dividing the sum beforehand changes no bit either; each batch's quarter would round the same. */
    @Test
    void aScaleOfAQuarterIsTheMeanOfFour() {
        for (String rule : RULES) {
            try (Device device = Device.cpu(2);
                    Problem batches = new Problem(DType.F32, Problem.SHAPES);
                    Problem sums = new Problem(DType.F32, Problem.SHAPES);
                    Problem means = new Problem(DType.F32, Problem.SHAPES);
                    Optimizer scaled = optimizer(device, rule, sums, true);
                    Optimizer plain = optimizer(device, rule, means, true)) {
                scaled.gradientScale(0.25);
                for (int batch = 1; batch <= 4; batch++) {
                    add(sums, batches, batch);
                    add(means, batches, batch);
                }
                for (Tensor mean : means.gradients) {
                    for (long i = 0; i < mean.length(); i++) {
                        mean.set(i, mean.get(i) / 4);
                    }
                }
                scaled.step();
                plain.step();
                assertThat(sums.weightBits()).as(rule).isEqualTo(means.weightBits());
                assertThat(scaled.report().gradientNorm())
                        .isEqualTo(plain.report().gradientNorm());
            }
        }
    }

    /** One batch that overflows spoils the sum: the step is refused, and with its gradients zero the next is as ever. */
    @Test
    void aBatchThatOverflowsIsNotCarriedOn() {
        Map<String, Double> sizes = Map.of("good", 1.0, "bad", Double.POSITIVE_INFINITY);
        try (Device device = Device.cpu(1);
                Problem problem = new Problem(DType.F32, new long[] {4});
                Optimizer optimizer = optimizer(device, RULES.getFirst(), problem, true)) {
            byte[] before = problem.weightBits();
            Tensor gradient = problem.gradients.getFirst();
            for (String batch : List.of("good", "bad", "good")) {
                gradient.set(2, gradient.get(2) + sizes.get(batch));
            }
            optimizer.step();
            assertThat(optimizer.report().skipped()).isTrue();
            assertThat(problem.weightBits()).isEqualTo(before);
            gradient.set(2, gradient.get(2) + 1);
            optimizer.step();
            assertThat(optimizer.report().skipped()).isFalse();
            assertThat(problem.weightBits()).isNotEqualTo(before);
        }
    }
}
