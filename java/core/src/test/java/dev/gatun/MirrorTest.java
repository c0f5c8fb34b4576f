package dev.gatun;

import static dev.gatun.DType.BF16;
import static dev.gatun.DType.F16;
import static dev.gatun.DType.F32;
import static dev.gatun.DType.F64;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Host parameters on any device: what {@link Mirror} gives is what the CPU gives in place. */
@Tag("device")
class MirrorTest {
    private static final Rule RULE = Rule.parse("sing(adamw(lr=0.01, weight_decay=0.1))");

    @TempDir
    Path folder;

    private final Arena arena = Arena.ofConfined();
    private Device device;
    private Device cpu;

    @BeforeEach
    void open() {
        device = TestDevice.open(2);
        cpu = Device.cpu(1);
    }

    @AfterEach
    void close() {
        device.close();
        cpu.close();
        arena.close();
    }

    /** Parameters and gradients of mixed types and shapes in host memory. */
    private final class Model {
        final List<Parameter> parameters = new ArrayList<>();
        final List<Tensor> gradients = new ArrayList<>();

        Model() {
            long[][] shapes = {{4, 7}, {3}, {}, {0}, {2, 33}, {5, 11}, {40}, {6}};
            DType[] weights = {F32, F64, F32, F64, F32, BF16, F16, F32};
            DType[] types = {F32, F64, F32, F64, F32, BF16, F32, F16}; // of gradients
            for (int i = 0; i < shapes.length; i++) {
                Tensor weight = Tensor.allocate(arena, weights[i], shapes[i]);
                for (long k = 0; k < weight.length(); k++) {
                    weight.set(k, Math.sin(i + 3.0 * k));
                }
                parameters.add(Parameter.of("p" + i, weight));
                gradients.add(Tensor.allocate(arena, types[i], shapes[i]));
            }
        }

        void fill(int step) {
            for (Tensor gradient : gradients) {
                for (long k = 0; k < gradient.length(); k++) {
                    gradient.set(k, Math.cos(step + 2.0 * k));
                }
            }
        }

        byte[] weights() {
            return Problem.bits(parameters.stream().map(Parameter::weight).toList());
        }
    }

    @Test
    void hostParametersGetTheCpusBits() throws Exception {
        Model actual = new Model();
        Model expected = new Model();
        Path file = folder.resolve("mirror.safetensors");
        try (Mirror mirror = Mirror.of(device, actual.parameters);
                Optimizer optimizer = build(device, mirror.parameters());
                Optimizer reference = build(cpu, expected.parameters)) {
            assertThat(mirror.mirrors()).isEqualTo(TestDevice.isCuda());
            mirror.bindGradients(optimizer, actual.gradients);
            reference.bindGradients(expected.gradients);
            for (int step = 1; step <= 8; step++) {
                actual.fill(step);
                expected.fill(step);
                boolean idle = step % 3 == 0;
                mirror.bindGradient(optimizer, 1, idle ? null : actual.gradients.get(1));
                reference.bindGradient(1, idle ? null : expected.gradients.get(1));
                if (step == 5) {
                    actual.gradients.getFirst().set(3, Double.NaN);
                    expected.gradients.getFirst().set(3, Double.NaN);
                }
                mirror.step(optimizer);
                reference.step();
                assertThat(Arrays.equals(actual.weights(), expected.weights()))
                        .as("weights after step %d", step)
                        .isTrue();
                assertThat(optimizer.report()).isEqualTo(reference.report());
                assertThat(Problem.bits(actual.gradients)).as("zeroed").isEqualTo(Problem.bits(expected.gradients));
            }
            optimizer.save(file);
            mirror.step(optimizer);
            optimizer.load(file);
            mirror.downloadWeights();
            assertThat(actual.weights()).isEqualTo(expected.weights());
            assertThat(optimizer.stepsTaken(0)).isEqualTo(7);
            actual.parameters.getFirst().weight().set(0, 100);
            expected.parameters.getFirst().weight().set(0, 100);
            mirror.uploadWeights();
            actual.fill(9);
            expected.fill(9);
            mirror.step(optimizer);
            reference.step();
            assertThat(actual.weights()).isEqualTo(expected.weights());
        }
    }

    private static Optimizer build(Device device, List<Parameter> parameters) {
        return Optimizer.builder(device)
                .group(RULE, parameters)
                .zeroGradients(true)
                .build();
    }

    @Test
    void itNamesWhatIsWrong() {
        Model model = new Model();
        try (Mirror mirror = Mirror.of(device, model.parameters);
                Optimizer optimizer = build(device, mirror.parameters());
                Optimizer stranger = build(cpu, new Model().parameters)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> mirror.step(stranger))
                    .withMessageContaining("build it with mirror.parameters()");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> mirror.bindGradients(optimizer, List.of()))
                    .withMessageContaining("gradients has 0 tensors, and there are 8 parameters");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> mirror.bindGradient(optimizer, 8, null))
                    .withMessageContaining("from 0 to 7");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> mirror.bindGradient(optimizer, 0, model.gradients.get(1)))
                    .withMessageContaining("the gradient of 'p0' is F64, and its weight is F32");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> mirror.bindGradient(
                            optimizer, 0, model.parameters.getFirst().weight()))
                    .withMessageContaining("overlaps the weight of 'p0'");
            Arena passing = Arena.ofConfined();
            mirror.bindGradient(optimizer, 0, Tensor.allocate(passing, F32, 4, 7));
            passing.close();
            assertThatIllegalStateException()
                    .isThrownBy(() -> mirror.step(optimizer))
                    .withMessageContaining("the memory of the gradient of 'p0' is closed");
        }
        Mirror closed = Mirror.of(device, List.of());
        closed.close();
        closed.close();
        assertThatIllegalStateException().isThrownBy(closed::uploadWeights).withMessage("the mirror is closed");
        assertThat(device.isInUse()).isFalse();
    }
}
