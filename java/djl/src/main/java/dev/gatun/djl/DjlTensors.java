package dev.gatun.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.pytorch.engine.PtNDArray;
import dev.gatun.DType;
import dev.gatun.Device;
import dev.gatun.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Views of DJL's arrays as Gatun's tensors, without a copy: what one writes, the other reads.
 *
 * <p>A view does not keep its array alive. It is valid until the array, or the {@code NDManager} that owns it, is
 * closed; reading or writing it afterwards is undefined, as it is for every native pointer.
 *
 * <p>BFLOAT16 is not among the types: DJL 0.35 has its name, but its PyTorch engine ends the process when an array of it is made.
 */
public final class DjlTensors {
    private DjlTensors() {}

    /**
     * A view of an array's memory, usable from every thread.
     *
     * @param array a dense, contiguous FLOAT32, FLOAT64 or FLOAT16 array of DJL's PyTorch engine, on the CPU or on a GPU
     * @return a tensor of the same shape at the same address
     * @throws IllegalArgumentException if the array is of another engine or type, sparse, or not contiguous
     * @throws IllegalStateException if the array is closed
     */
    public static Tensor of(NDArray array) {
        return of(array, Arena.global());
    }

    /**
     * A view that can be used only as long as an arena is open; its memory is not the arena's and outlives it.
     *
     * @param array as in {@link #of(NDArray)}
     * @param lifetime the view throws {@link IllegalStateException} once this is closed
     */
    public static Tensor of(NDArray array, Arena lifetime) {
        PtNDArray torch = require(array);
        DType dtype = dtype(torch);
        MemorySegment memory = MemorySegment.ofAddress(TorchMemory.address(torch))
                .reinterpret(Math.multiplyExact(torch.size(), dtype.bytes()), lifetime, null);
        Device.Kind location = torch.getDevice().isGpu() ? Device.Kind.CUDA : Device.Kind.CPU;
        return new Tensor(memory, dtype, location, torch.getShape().getShape());
    }

    /** The array as one that has a layout Gatun can work on, or an exception that says what is different about it. */
    private static PtNDArray require(NDArray array) {
        if (!(array instanceof PtNDArray torch)) {
            throw new IllegalArgumentException("array: an array of DJL's PyTorch engine is needed, this is "
                    + (array == null ? "null" : "a " + array.getClass().getName()));
        }
        if (torch.getSparseFormat() != SparseFormat.DENSE) {
            throw new IllegalArgumentException(describe(torch) + " is sparse (" + torch.getSparseFormat()
                    + "); make it dense with toDense(), or ask the block that makes it for dense gradients");
        }
        if (!TorchMemory.contiguous(torch)) {
            throw new IllegalArgumentException(describe(torch) + " is a view that is not contiguous in memory;"
                    + " make a contiguous copy of it with duplicate() and use that");
        }
        return torch;
    }

    private static DType dtype(PtNDArray array) {
        return switch (array.getDataType()) {
            case FLOAT32 -> DType.F32;
            case FLOAT64 -> DType.F64;
            case FLOAT16 -> DType.F16;
            default ->
                throw new IllegalArgumentException(describe(array) + " has type " + array.getDataType()
                        + "; FLOAT32, FLOAT64 and FLOAT16 are possible, convert it with toType()");
        };
    }

    private static String describe(PtNDArray array) {
        String name = array.getName();
        return "array" + (name == null ? "" : " " + name) + " of shape " + array.getShape();
    }
}
