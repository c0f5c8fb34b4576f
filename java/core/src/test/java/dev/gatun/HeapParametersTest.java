package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HeapParametersTest {
    private static final Rule RULE = Rule.parse("sing(adamw(lr=0.1, weight_decay=0.1))");

    @TempDir
    private Path folder;

    private final float[] floats = {1, -2, 3, 0.5f, 4, 1};
    private final float[] floatGradients = new float[6];
    private final double[] doubles = {2, 1, -1};
    private final double[] doubleGradients = new double[3];
    private Device device;

    @BeforeEach
    void open() {
        device = Device.cpu(1);
    }

    @AfterEach
    void close() {
        device.close();
    }

    private HeapParameters arrays() {
        return HeapParameters.builder()
                .add("floats", floats, floatGradients, 2, 3)
                .add("doubles", doubles, doubleGradients)
                .build();
    }

    private void fill(int t) {
        for (int i = 0; i < 6; i++) {
            floatGradients[i] = (float) Math.sin(t + 2 * i);
        }
        for (int i = 0; i < 3; i++) {
            doubleGradients[i] = Math.cos(t + 2 * i);
        }
    }

    @Test
    void sameBitsAsMemoryOutsideTheHeap() {
        try (Arena arena = Arena.ofConfined();
                HeapParameters heap = arrays()) {
            assertThat(heap.parameters().getFirst().weight().shape()).containsExactly(2, 3);
            assertThat(heap.parameters().getLast().weight().shape()).containsExactly(3);
            Tensor a = Tensor.of(arena, floats.clone(), 2, 3);
            Tensor b = Tensor.of(arena, doubles.clone());
            try (Optimizer expected =
                            Optimizer.of(device, RULE, List.of(Parameter.of("floats", a), Parameter.of("doubles", b)));
                    Optimizer optimizer = Optimizer.of(device, RULE, heap.parameters())) {
                for (int t = 1; t <= 7; t++) {
                    fill(t);
                    expected.bindGradients(
                            List.of(Tensor.of(arena, floatGradients, 2, 3), Tensor.of(arena, doubleGradients)));
                    expected.step();
                    heap.step(optimizer);
                    assertThat(floats).containsExactly(a.toFloats());
                    assertThat(doubles).containsExactly(b.toDoubles());
                }
            }
        }
    }

    @Test
    void theArraysAreWhatCounts() {
        try (HeapParameters heap = arrays();
                Optimizer optimizer = Optimizer.of(device, Sgd.of(1), heap.parameters())) {
            fill(1);
            floats[0] = 100;
            heap.step(optimizer);
            assertThat(floats[0]).isEqualTo(100 - floatGradients[0]);
        }
    }

    @Test
    void savedAndLoaded() throws Exception {
        Path file = folder.resolve("run.safetensors");
        float[] straight;
        try (HeapParameters heap = arrays();
                Optimizer optimizer = Optimizer.of(device, RULE, heap.parameters())) {
            steps(heap, optimizer, 1, 3);
            optimizer.save(file);
            steps(heap, optimizer, 4, 6);
            straight = floats.clone();
        }
        try (HeapParameters heap = arrays();
                Optimizer optimizer = Optimizer.of(device, RULE, heap.parameters())) {
            optimizer.load(file);
            heap.copyOut();
            steps(heap, optimizer, 4, 6);
            assertThat(floats).containsExactly(straight);
        }
    }

    private void steps(HeapParameters heap, Optimizer optimizer, int from, int to) {
        for (int t = from; t <= to; t++) {
            fill(t);
            heap.step(optimizer);
        }
    }

    @Test
    void misuse() {
        HeapParameters.Builder builder = HeapParameters.builder();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> builder.add("w", new float[3], new float[4]))
                .withMessage("the gradient of 'w' has 4 elements, and its weight has 3");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> builder.add("w", new double[3], new double[3], 2, 2))
                .withMessage("the weight of 'w' has 3 elements, and its shape [2, 2] has 4");
        HeapParameters heap = arrays();
        List<Parameter> turned = new ArrayList<>(heap.parameters().reversed());
        try (Optimizer optimizer = Optimizer.of(device, RULE, turned)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> heap.step(optimizer))
                    .withMessageContaining("optimizer has other parameters than these arrays");
        }
        heap.close();
        heap.close();
    }
}
