package dev.gatun.dl4j;

import dev.gatun.DType;
import dev.gatun.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.api.ops.executioner.OpExecutioner;
import org.nd4j.linalg.factory.Nd4j;

/**
 * Views of ND4J's arrays as Gatun's tensors, without a copy: what one writes, the other reads.
 *
 * <p>Gatun's tensors are row-major. Deeplearning4j keeps a dense layer's weights as an array of shape (in, out) in
 * column-major order ('f'), so that the weights of one output lie side by side; the same memory read row by row is the
 * array of shape (out, in), and that is the view: one row for each output, or for each gate of an LSTM.
 *
 * <p>A view does not keep its array alive: hold on to the array as long as to the view.
 */
public final class Nd4jTensors {
    private Nd4jTensors() {}

    /**
     * A view of an array's memory, usable from every thread.
     *
     * @param array of type FLOAT or DOUBLE in host memory, without gaps
     * @return a tensor at the same address: of the same shape for a vector and an array in row-major order ('c'), of the
     *     reversed shape for a matrix in column-major order ('f')
     * @throws IllegalArgumentException for an array of another type or layout
     */
    public static Tensor of(INDArray array) {
        if (array == null) {
            throw new IllegalArgumentException("array must be given, and is null");
        }
        return of(array, shape(array));
    }

    /** A view of an array without gaps as a tensor of a shape with as many elements. */
    static Tensor of(INDArray array, long... shape) {
        DType dtype = dtype(array);
        return Tensor.of(memory(array, dtype), dtype, shape);
    }

    private static MemorySegment memory(INDArray array, DType dtype) {
        requireHost();
        // data() is the whole buffer that a view lies in, and its address does not know of the view.
        long address = array.isEmpty() ? 0 : array.data().address() + array.offset() * dtype.bytes();
        return MemorySegment.ofAddress(address)
                .reinterpret(Math.multiplyExact(array.length(), dtype.bytes()), Arena.global(), null);
    }

    private static void requireHost() {
        if (Nd4j.getExecutioner().type() == OpExecutioner.ExecutionerType.CUDA) {
            throw new IllegalArgumentException("ND4J's CUDA backend is in use, and this adapter works on arrays in host"
                    + " memory: train with nd4j-native");
        }
    }

    static DType dtype(INDArray array) {
        DataType type = array.dataType();
        return switch (type) {
            case FLOAT -> DType.F32;
            case DOUBLE -> DType.F64;
            default ->
                throw new IllegalArgumentException("array of shape " + Arrays.toString(array.shape()) + " has type "
                        + type + "; FLOAT and DOUBLE are possible, give the network one of them with"
                        + " NeuralNetConfiguration.Builder.dataType(...)");
        };
    }

    /** What the array's memory is when it is read row by row. */
    private static long[] shape(INDArray array) {
        long[] shape = array.shape();
        // An (in, out) matrix with one input or output has both orders; DL4J's weights always mean 'f'.
        if (shape.length == 2 && dense(array, true)) {
            return new long[] {shape[1], shape[0]};
        }
        if (dense(array, false)) {
            return shape;
        }
        throw new IllegalArgumentException("array of shape " + Arrays.toString(shape) + " and strides "
                + Arrays.toString(array.stride()) + " is not a vector, a matrix without gaps or an array in 'c' order;"
                + " make a copy of it with dup('c') and use that");
    }

    /** Whether the elements lie without gaps in column-major or row-major order. */
    private static boolean dense(INDArray array, boolean columnMajor) {
        long[] shape = array.shape();
        long[] stride = array.stride();
        long expected = 1;
        for (int i = 0; i < shape.length; i++) {
            int d = columnMajor ? i : shape.length - 1 - i;
            // The stride of a dimension of size 1 is never used.
            if (shape[d] != 1 && stride[d] != expected) {
                return false;
            }
            expected *= shape[d];
        }
        return true;
    }
}
