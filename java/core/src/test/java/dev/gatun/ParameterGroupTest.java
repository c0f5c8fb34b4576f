package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.util.List;
import org.junit.jupiter.api.Test;

class ParameterGroupTest {
    @Test
    void vectorsAreSparedTheDecayAndOnlyThat() {
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cpu(1)) {
            List<Parameter> parameters = List.of(
                    Parameter.of("matrix", ones(arena, 2, 3)),
                    Parameter.of("bias", ones(arena, 3)),
                    Parameter.of("scalar", ones(arena)),
                    Parameter.of("flagged", ones(arena, 3, 1)).withoutDecay());
            ParameterGroup group = ParameterGroup.of(Adam.w(0.1).withWeightDecay(1), parameters)
                    .withSchedule(Schedule.step(1, 0.5))
                    .withoutDecayOfVectors();
            assertThat(group.parameters()).extracting(Parameter::decay).containsExactly(true, false, false, false);
            assertThat(group.parameters())
                    .extracting(Parameter::name)
                    .containsExactly("matrix", "bias", "scalar", "flagged");
            try (Optimizer optimizer = Optimizer.of(device, group)) {
                optimizer.bindGradients(parameters.stream()
                        .map(parameter -> Tensor.allocate(
                                arena, DType.F64, parameter.weight().shape()))
                        .toList());
                optimizer.step();
                optimizer.step();
            }
            // gradients are zero: decay is all that moves a weight, by the schedule's 0.1 and 0.05
            assertThat(parameters)
                    .extracting(parameter -> parameter.weight().get(0))
                    .containsExactly(0.9 * 0.95, 1.0, 1.0, 1.0);
        }
    }

    private static Tensor ones(Arena arena, long... shape) {
        Tensor tensor = Tensor.allocate(arena, DType.F64, shape);
        for (long i = 0; i < tensor.length(); i++) {
            tensor.set(i, 1);
        }
        return tensor;
    }
}
