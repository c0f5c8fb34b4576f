package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Rows far from zero keep their digits on their way through SING in F32, from the public API: w becomes -h. */
class SingSumsTest {
    private static final int ROWS = 3;

    @ParameterizedTest
    @CsvSource({
        "9, 0, false", "9, 1e3, false", "9, 1e5, false", "9, 1, true", "9, 1e5, true",
        "577, 0, false", "577, 1e3, false", "577, 1e5, false", "577, 1, true", "577, 1e5, true",
        "20011, 0, false", "20011, 1e3, false", "20011, 1e5, false", "20011, 1, true", "20011, 1e5, true"
    })
    void theNormIsThatOfExactSums(int n, double meanOverDeviation, boolean outlier) {
        SplittableRandom random = new SplittableRandom(7);
        float[] g = new float[ROWS * n];
        for (int i = 0; i < g.length; i++) {
            g[i] = (float) (0.01 * (meanOverDeviation * (1 + i / n) + random.nextGaussian()));
            if (outlier && i % n == 0) {
                g[i] = 1000; // what the sums are shifted by
            }
        }
        double norm = 0;
        for (double h : standardized(g, n)) {
            norm += h * h;
        }
        double exact = exactNorm(g, n);
        assertThat(Math.sqrt(norm) * (exact + 1e-8) / exact).isBetween(1 - 1e-6, 1 + 1e-6);
    }

    /** Of the centered gradient in two passes of double, which at 1e5 still has 1e-10. */
    private static double exactNorm(float[] g, int n) {
        double squares = 0;
        for (int row = 0; row < ROWS; row++) {
            double sum = 0;
            for (int k = row * n; k < (row + 1) * n; k++) {
                sum += g[k];
            }
            for (int k = row * n; k < (row + 1) * n; k++) {
                squares += (g[k] - sum / n) * (g[k] - sum / n);
            }
        }
        return Math.sqrt(squares);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 9, 33, 577, 2049, 20011})
    void constantRowsGiveZero(int n) {
        for (float value : new float[] {0.1f, -3.7e5f, 1e-30f}) {
            float[] g = new float[ROWS * n];
            for (int i = 0; i < g.length; i++) {
                g[i] = value * (1 + i / n);
            }
            assertThat(standardized(g, n)).as("rows of %d times %s", n, value).containsOnly(0);
        }
    }

    @Test
    void otherRowsAreNotDisturbedByAConstantOne() {
        float[] g = {5, 5, 5, 1, 2, 3, 0, 0, 0};
        assertThat(standardized(g, 3)[0]).isEqualTo(0);
        assertThat(standardized(g, 3)[3]).isNegative();
    }

    private static double[] standardized(float[] g, int n) {
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cpu(2)) {
            Tensor weight = Tensor.allocate(arena, DType.F32, ROWS, n);
            Tensor gradient = Tensor.of(arena, g, ROWS, n);
            Rule rule = Rule.parse("sing(sgd(lr=1))");
            try (Optimizer optimizer = Optimizer.of(device, rule, List.of(Parameter.of("w", weight)))) {
                optimizer.bindGradients(List.of(gradient));
                optimizer.step();
            }
            double[] h = weight.toDoubles();
            for (int i = 0; i < h.length; i++) {
                h[i] = 0 - h[i];
            }
            return h;
        }
    }
}
