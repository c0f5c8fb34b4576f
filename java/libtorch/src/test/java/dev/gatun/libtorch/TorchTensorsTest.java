package dev.gatun.libtorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.DType;
import dev.gatun.Device;
import java.lang.foreign.Arena;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;

/** That a view is no copy, and that what cannot be viewed is refused. */
class TorchTensorsTest {
    private static Tensor matrix() {
        return Tensor.create(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
    }

    @Test
    void sameAddressShapeAndType() {
        Tensor tensor = matrix();
        dev.gatun.Tensor view = TorchTensors.of(tensor);
        assertThat(view.memory().address()).isEqualTo(tensor.data_ptr_float().address());
        assertThat(view.memory().byteSize()).isEqualTo(24);
        assertThat(view.shape()).containsExactly(2, 3);
        assertThat(view.location()).isEqualTo(Device.Kind.CPU);
        assertThat(view.dtype()).isEqualTo(DType.F32);
        assertThat(TorchTensors.of(tensor.to(ScalarType.Double)).dtype()).isEqualTo(DType.F64);
        assertThat(TorchTensors.of(tensor.to(ScalarType.BFloat16)).dtype()).isEqualTo(DType.BF16);
        assertThat(TorchTensors.of(tensor.to(ScalarType.Half)).dtype()).isEqualTo(DType.F16);
    }

    @Test
    void writesAreSeenBothWays() {
        Tensor tensor = matrix();
        dev.gatun.Tensor view = TorchTensors.of(tensor);
        view.set(4, 42);
        assertThat(tensor.select(0, 1).select(0, 1).item_float()).isEqualTo(42);
        tensor.mul_(new Scalar(2f));
        assertThat(view.toFloats()).containsExactly(2, 4, 6, 8, 84, 12);
    }

    @Test
    void aGradientStaysWhereItIs() {
        Tensor tensor = matrix().set_requires_grad(true);
        long first = 0;
        for (int pass = 1; pass <= 3; pass++) {
            tensor.mul(tensor).sum().backward();
            dev.gatun.Tensor view = TorchTensors.of(tensor.grad());
            first = pass == 1 ? view.memory().address() : first;
            assertThat(view.memory().address())
                    .isEqualTo(first)
                    .isEqualTo(tensor.grad().data_ptr_float().address());
            // Passes add up: 2 w each.
            assertThat(view.toFloats()).containsExactly(2 * pass, 4 * pass, 6 * pass, 8 * pass, 10 * pass, 12 * pass);
        }
    }

    @Test
    void aContiguousPartIsViewedWhereItIs() {
        Tensor tensor = matrix();
        dev.gatun.Tensor view = TorchTensors.of(tensor.select(0, 1));
        assertThat(view.memory().address())
                .isEqualTo(TorchTensors.of(tensor).memory().address() + 12);
        assertThat(view.toFloats()).containsExactly(4, 5, 6);
    }

    @Test
    void scalarsAndEmptyTensors() {
        assertThat(TorchTensors.of(torch.tensor(3f)).toFloats()).containsExactly(3);
        assertThat(TorchTensors.of(torch.empty(0, 4)).length()).isZero();
    }

    @Test
    void refusals() {
        assertThatThrownBy(() -> TorchTensors.of(matrix().t()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("shape [3, 2]")
                .hasMessageContaining("not contiguous");
        assertThatThrownBy(() -> TorchTensors.of(matrix().to(ScalarType.Long)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("has type Long; Float, Double, Half and BFloat16 are possible");
        assertThatThrownBy(() -> TorchTensors.of(matrix().to_sparse()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("has layout Sparse");
        assertThatThrownBy(() -> TorchTensors.of(new Tensor()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("undefined");
        assertThatThrownBy(() -> TorchTensors.of(null))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("null");
    }

    @Test
    void theViewEndsWithItsArena() {
        Tensor tensor = matrix();
        dev.gatun.Tensor view;
        try (Arena arena = Arena.ofConfined()) {
            view = TorchTensors.of(tensor, arena);
            assertThat(view.toFloats()).hasSize(6);
        }
        assertThatThrownBy(view::toFloats).isInstanceOf(IllegalStateException.class);
    }
}
