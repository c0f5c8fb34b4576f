package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Any two of an optimizer's buffers that share an element are refused by name; side by side they may lie. */
class OverlapTest {
    private static final int LENGTH = 8;
    private static final int ROOM = 64;

    /** In the order of their usual places. */
    private enum Buffer {
        WEIGHT_0("the weight of 'w0'"),
        WEIGHT_1("the weight of 'w1'"),
        STATE_0("the state of 'w0'"),
        STATE_1("the state of 'w1'"),
        GRADIENT_0("the gradient of 'w0'"),
        GRADIENT_1("the gradient of 'w1'");

        private final String text;

        Buffer(String text) {
            this.text = text;
        }
    }

    /** One buffer lies so many elements behind the beginning of another. */
    private record Placed(Buffer moved, Buffer other, int behind) {
        boolean overlaps() {
            return Math.abs(behind) < LENGTH;
        }
    }

    static Stream<Placed> pairs() {
        List<Placed> pairs = new ArrayList<>();
        for (Buffer moved : Buffer.values()) {
            for (Buffer other : Buffer.values()) {
                for (int behind : moved == other ? new int[0] : new int[] {-8, -7, -1, 0, 1, 4, 7, 8}) {
                    pairs.add(new Placed(moved, other, behind));
                }
            }
        }
        return pairs.stream();
    }

    @ParameterizedTest
    @MethodSource("pairs")
    void whatSharesAnElementIsRefused(Placed placed) {
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cpu(1)) {
            MemorySegment memory = arena.allocate(4L * ROOM * (Buffer.values().length + 1), 4);
            Tensor[] tensors = Arrays.stream(Buffer.values())
                    .map(buffer -> at(memory, buffer == placed.moved ? placed.other : buffer, buffer, placed))
                    .toArray(Tensor[]::new);
            for (boolean atOnce : new boolean[] {false, true}) {
                if (placed.overlaps()) {
                    assertThatIllegalArgumentException()
                            .isThrownBy(() -> step(device, tensors, atOnce))
                            .withMessageContaining(placed.moved.text)
                            .withMessageContaining(placed.other.text)
                            .withMessageContaining("overlaps");
                    assertThat(memory.mismatch(arena.allocate(memory.byteSize())))
                            .isEqualTo(-1);
                } else {
                    step(device, tensors, atOnce);
                }
            }
        }
    }

    private static Tensor at(MemorySegment memory, Buffer place, Buffer buffer, Placed placed) {
        long element = (long) ROOM * (place.ordinal() + 1) - ROOM / 2 + (buffer == placed.moved ? placed.behind : 0);
        return Tensor.of(memory.asSlice(4 * element, 4 * LENGTH), DType.F32, LENGTH);
    }

    private static void step(Device device, Tensor[] tensors, boolean atOnce) {
        List<Parameter> parameters = List.of(Parameter.of("w0", tensors[0]), Parameter.of("w1", tensors[1]));
        try (Optimizer optimizer = Optimizer.builder(device)
                .group(Sgd.of(0.1).withMomentum(0.9), parameters)
                .adoptState(List.of(tensors[2], tensors[3]))
                .build()) {
            if (atOnce) {
                optimizer.bindGradients(List.of(tensors[4], tensors[5]));
            } else {
                optimizer.bindGradient(0, tensors[4]);
                optimizer.bindGradient(1, tensors[5]);
            }
            optimizer.step();
        }
    }
}
