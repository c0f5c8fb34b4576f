package dev.gatun.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.GradientCollector;
import dev.gatun.DType;
import dev.gatun.Device;
import dev.gatun.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** That a view is no copy, and that what cannot be viewed is refused. */
class DjlTensorsTest {
    private final NDManager manager = Engine.getEngine("PyTorch").newBaseManager();

    @AfterEach
    void close() {
        manager.close();
    }

    private NDArray matrix() {
        return manager.create(new float[] {1, 2, 3, 4, 5, 6}, new Shape(2, 3));
    }

    /** Where DJL's public, buffer-based way says the memory is: for a contiguous array it does not copy either. */
    private static long addressByBuffer(NDArray array) {
        return MemorySegment.ofBuffer(array.toByteBuffer(true)).address();
    }

    @Test
    void sameAddressShapeAndType() {
        NDArray array = matrix();
        Tensor view = DjlTensors.of(array);
        assertThat(view.memory().address()).isEqualTo(addressByBuffer(array));
        assertThat(view.memory().byteSize()).isEqualTo(24);
        assertThat(view.shape()).containsExactly(2, 3);
        assertThat(view.dtype()).isEqualTo(DType.F32);
        assertThat(view.location()).isEqualTo(Device.Kind.CPU);
        NDArray doubles = manager.create(new double[] {1, 2});
        assertThat(DjlTensors.of(doubles).dtype()).isEqualTo(DType.F64);
        assertThat(DjlTensors.of(doubles).memory().address()).isEqualTo(addressByBuffer(doubles));
    }

    @Test
    void halvesAreViewedWhereTheyAre() {
        NDArray array = matrix().toType(DataType.FLOAT16, true);
        Tensor view = DjlTensors.of(array);
        assertThat(view.dtype()).isEqualTo(DType.F16);
        assertThat(view.memory().byteSize()).isEqualTo(12);
        assertThat(view.toFloats()).containsExactly(1, 2, 3, 4, 5, 6);
        view.set(4, -0.375);
        assertThat(array.toType(DataType.FLOAT32, true).toFloatArray()).containsExactly(1, 2, 3, 4, -0.375f, 6);
        array.muli(2);
        assertThat(view.get(4)).isEqualTo(-0.75);
    }

    @Test
    void writesAreSeenBothWays() {
        NDArray array = matrix();
        Tensor view = DjlTensors.of(array);
        view.memory().setAtIndex(ValueLayout.JAVA_FLOAT, 4, 42);
        assertThat(array.toFloatArray()).containsExactly(1, 2, 3, 4, 42, 6);
        array.muli(2);
        assertThat(view.toFloats()).containsExactly(2, 4, 6, 8, 84, 12);
    }

    @Test
    void aGradientStaysWhereItIs() {
        NDArray array = matrix();
        array.setRequiresGradient(true);
        long first = 0;
        for (int pass = 1; pass <= 3; pass++) {
            try (GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
                collector.backward(array.mul(array).sum());
            }
            try (NDArray gradient = array.getGradient()) {
                Tensor view = DjlTensors.of(gradient);
                first = pass == 1 ? view.memory().address() : first;
                assertThat(view.memory().address()).isEqualTo(first).isEqualTo(addressByBuffer(gradient));
                // Passes add up: 2 w each.
                assertThat(view.toFloats())
                        .containsExactly(2 * pass, 4 * pass, 6 * pass, 8 * pass, 10 * pass, 12 * pass);
            }
        }
    }

    @Test
    void aContiguousPartIsViewedWhereItIs() {
        NDArray array = matrix();
        NDArray row = array.get(1);
        Tensor view = DjlTensors.of(row);
        assertThat(view.memory().address())
                .isEqualTo(DjlTensors.of(array).memory().address() + 12);
        assertThat(view.toFloats()).containsExactly(4, 5, 6);
    }

    @Test
    void scalarsAndEmptyArrays() {
        assertThat(DjlTensors.of(manager.create(3f)).toFloats()).containsExactly(3);
        assertThat(DjlTensors.of(manager.create(new Shape(0, 4))).length()).isZero();
    }

    @Test
    void notContiguous() {
        NDArray array = matrix();
        assertThatThrownBy(() -> DjlTensors.of(array.transpose()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("shape (3, 2)")
                .hasMessageContaining("not contiguous")
                .hasMessageContaining("duplicate()");
        assertThatThrownBy(() -> DjlTensors.of(array.get(":,1"))).hasMessageContaining("not contiguous");
        // A transposed column is contiguous: the stride of a dimension of size 1 does not matter.
        assertThat(DjlTensors.of(manager.create(new float[] {1, 2}, new Shape(2, 1))
                                .transpose())
                        .toFloats())
                .containsExactly(1, 2);
    }

    @Test
    void otherTypes() {
        NDArray integers = manager.create(new Shape(2), DataType.INT64);
        assertThatThrownBy(() -> DjlTensors.of(integers))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("has type int64; FLOAT32, FLOAT64 and FLOAT16 are possible");
        assertThatThrownBy(() -> DjlTensors.of(null))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("this is null");
    }

    @Test
    void closedArray() {
        NDArray array = matrix();
        array.close();
        assertThatThrownBy(() -> DjlTensors.of(array)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void theViewEndsWithItsArena() {
        Tensor view;
        try (Arena arena = Arena.ofConfined()) {
            view = DjlTensors.of(matrix(), arena);
            assertThat(view.toFloats()).hasSize(6);
        }
        assertThatThrownBy(view::toFloats).isInstanceOf(IllegalStateException.class);
    }
}
