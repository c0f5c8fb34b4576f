package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Norms in reports beyond what {@link OptimizerContract} checks of every rule: with nobody looking for NaN, and refused steps. */
@Tag("device")
class NormsTest {
    private static double norm(Tensor tensor) {
        double sum = 0;
        for (double value : tensor.toDoubles()) {
            sum += value * value;
        }
        return Math.sqrt(sum);
    }

    private static List<LayerNorms> unchecked(String rule) {
        try (Device device = TestDevice.open(2);
                Run run = new Run(new Subject(rule, DType.F32, null), device, builder -> builder.checkFinite(false))) {
            run.optimizer.reportNorms(Norms.GRADIENTS);
            run.bindAll(1);
            run.optimizer.bindGradient(4, null);
            run.step();
            List<LayerNorms> layers = run.optimizer.report().layers();
            for (int i = 0; i < layers.size(); i++) {
                LayerNorms layer = layers.get(i);
                assertThat(layer.update()).as("nobody asked for it").isNaN();
                if (!Double.isNaN(layer.gradient())) {
                    double expected = Run.GRADIENT_SCALE * norm(run.problem.gradients.get(i));
                    assertThat(layer.gradient())
                            .as("%s of %s", rule, layer)
                            .isCloseTo(expected, within(1e-12 * expected));
                }
            }
            return layers;
        }
    }

    @Test
    void withoutTheFiniteCheckTransformationsKnowThem() {
        for (String rule : List.of("sing()", "sing(adamw())", "clip(adamw(), norm=0.5)", "clip(lamb(), norm=0.5)")) {
            List<LayerNorms> layers = unchecked(rule);
            for (int i = 0; i < layers.size(); i++) {
                assertThat(Double.isNaN(layers.get(i).gradient()))
                        .as("%s of %s", rule, layers.get(i))
                        .isEqualTo(i == 4);
            }
        }
    }

    @Test
    void withoutBothNobodyDoes() {
        for (String rule : List.of("adamw()", "lamb(max_grad_norm=0)", "aida(lr=0.01)")) {
            assertThat(unchecked(rule)).extracting(LayerNorms::gradient).containsOnly(Double.NaN);
        }
    }

    @Test
    void aRefusedStepShowsWhoseGradientItWasAndMovesNothing() {
        try (Device device = TestDevice.open(2);
                Run run = new Run(new Subject("sing()", DType.F32, null), device)) {
            run.optimizer.reportNorms(Norms.GRADIENTS_AND_UPDATES);
            run.bindAll(1);
            run.problem.gradients.get(9).set(130, Double.POSITIVE_INFINITY);
            run.step();
            StepReport report = run.optimizer.report();
            assertThat(report.skipped()).isTrue();
            assertThat(report.layers()).extracting(LayerNorms::update).containsOnly(0.0);
            assertThat(Double.isFinite(report.layers().get(9).gradient())).isFalse();
            assertThat(report.layers().get(0).gradient()).isPositive();
        }
    }
}
