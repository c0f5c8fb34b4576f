package dev.gatun.libtorch;

import dev.gatun.DType;
import dev.gatun.Device;
import dev.gatun.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.pytorch.LongArrayRef;
import org.bytedeco.pytorch.global.torch.Layout;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Views of libtorch's tensors as Gatun's, without a copy: what one writes, the other reads.
 *
 * <p>A view does not keep its tensor alive. It is valid as long as a libtorch tensor, such as a module's parameter,
 * holds the memory; reading or writing it afterwards is undefined, as it is for every native pointer.
 */
public final class TorchTensors {
    private TorchTensors() {}

    /**
     * A view of a tensor's memory, usable from every thread.
     *
     * @param tensor strided and contiguous, of type Float, Double, Half or BFloat16, on the CPU or on a CUDA device
     * @return a tensor of the same shape at the same address
     * @throws IllegalArgumentException if the tensor is of another type, layout or device, or not contiguous
     */
    public static Tensor of(org.bytedeco.pytorch.Tensor tensor) {
        return of(tensor, Arena.global());
    }

    /**
     * A view that can be used only as long as an arena is open; its memory is not the arena's and outlives it.
     *
     * @param tensor as in {@link #of(org.bytedeco.pytorch.Tensor)}
     * @param lifetime the view throws {@link IllegalStateException} once this is closed
     */
    public static Tensor of(org.bytedeco.pytorch.Tensor tensor, Arena lifetime) {
        require(tensor);
        DType dtype = dtype(tensor);
        MemorySegment memory = MemorySegment.ofAddress(address(tensor))
                .reinterpret(Math.multiplyExact(tensor.numel(), dtype.bytes()), lifetime, null);
        return new Tensor(memory, dtype, tensor.is_cuda() ? Device.Kind.CUDA : Device.Kind.CPU, shape(tensor));
    }

    /** Where the first element is; a device address for a tensor on a GPU, 0 for one without elements. */
    static long address(org.bytedeco.pytorch.Tensor tensor) {
        try (Pointer data = tensor.data_ptr()) {
            return data == null ? 0 : data.address(); // JavaCPP's null pointer is null
        }
    }

    private static long[] shape(org.bytedeco.pytorch.Tensor tensor) {
        long[] shape = new long[Math.toIntExact(tensor.dim())];
        try (LongArrayRef sizes = tensor.sizes()) {
            for (int d = 0; d < shape.length; d++) {
                shape[d] = sizes.at(d);
            }
        }
        return shape;
    }

    private static void require(org.bytedeco.pytorch.Tensor tensor) {
        if (tensor == null || tensor.isNull() || !tensor.defined()) {
            throw new IllegalArgumentException("tensor: there is none, it is "
                    + (tensor == null ? "null" : "undefined; a gradient is, before a backward pass"));
        }
        Layout layout = tensor.layout().intern();
        if (layout != Layout.Strided) {
            throw new IllegalArgumentException(describe(tensor) + " has layout " + layout
                    + "; make it dense with to_dense(), or ask the layer that makes it for dense gradients");
        }
        if (!tensor.is_cpu() && !tensor.is_cuda()) {
            throw new IllegalArgumentException(describe(tensor) + " is neither on the CPU nor on a CUDA device");
        }
        if (!tensor.is_contiguous()) {
            throw new IllegalArgumentException(describe(tensor) + " is a view that is not contiguous in memory;"
                    + " make a contiguous copy of it with contiguous() and use that");
        }
    }

    private static DType dtype(org.bytedeco.pytorch.Tensor tensor) {
        ScalarType type = tensor.scalar_type().intern();
        return switch (type) {
            case Float -> DType.F32;
            case Double -> DType.F64;
            case Half -> DType.F16;
            case BFloat16 -> DType.BF16;
            default ->
                throw new IllegalArgumentException(describe(tensor) + " has type " + type
                        + "; Float, Double, Half and BFloat16 are possible, convert it with to()");
        };
    }

    private static String describe(org.bytedeco.pytorch.Tensor tensor) {
        return "tensor of shape " + Arrays.toString(shape(tensor));
    }
}
