package dev.gatun;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * A typed and shaped view of contiguous memory, row by row. It owns nothing and copies nothing: the memory belongs to
 * whoever made it and must live as long as the tensor is used.
 *
 * @param memory exactly {@code length() * dtype.bytes()} bytes outside the Java heap, aligned to an element. Where
 *     {@code location} is {@link Device.Kind#CUDA} only its address counts, which Java cannot read.
 * @param dtype the type of the elements
 * @param location where the memory is
 * @param shape the size of every dimension, in elements; none for a scalar, which has one element. A size may be 0.
 */
public record Tensor(MemorySegment memory, DType dtype, Device.Kind location, long... shape) {
    /**
     * Checks that memory, type and shape belong together.
     *
     * @throws IllegalArgumentException naming what does not fit, with its value
     */
    public Tensor {
        Check.notNull("memory", memory);
        Check.notNull("dtype", dtype);
        Check.notNull("location", location);
        shape = Check.notNull("shape", shape).clone();
        long bytes = bytes(dtype, shape);
        if (!memory.isNative()) {
            throw new IllegalArgumentException(
                    "memory must be outside the Java heap, and is an array: allocate it from an Arena");
        }
        if (memory.byteSize() != bytes) {
            throw new IllegalArgumentException("memory has " + memory.byteSize() + " bytes, but " + dtype + " of shape "
                    + Arrays.toString(shape) + " needs " + bytes);
        }
        if (memory.address() % dtype.bytes() != 0) {
            throw new IllegalArgumentException("memory at 0x" + Long.toHexString(memory.address())
                    + " is not aligned to the " + dtype.bytes() + " bytes of " + dtype);
        }
    }

    /** A tensor in host memory. */
    public static Tensor of(MemorySegment memory, DType dtype, long... shape) {
        return new Tensor(memory, dtype, Device.Kind.CPU, shape);
    }

    /** A tensor of zeros in host memory of the arena, aligned to a cache line. */
    public static Tensor allocate(Arena arena, DType dtype, long... shape) {
        return of(arena.allocate(bytes(dtype, shape), 64), dtype, shape);
    }

    /** A copy of the values as F32 in memory of the arena; without a shape, a vector. */
    public static Tensor of(Arena arena, float[] values, long... shape) {
        Tensor tensor = allocate(arena, DType.F32, shape.length == 0 ? new long[] {values.length} : shape);
        requireLength(tensor, values.length);
        MemorySegment.copy(values, 0, tensor.memory, ValueLayout.JAVA_FLOAT, 0, values.length);
        return tensor;
    }

    /** A copy of the values as F64 in memory of the arena; without a shape, a vector. */
    public static Tensor of(Arena arena, double[] values, long... shape) {
        Tensor tensor = allocate(arena, DType.F64, shape.length == 0 ? new long[] {values.length} : shape);
        requireLength(tensor, values.length);
        MemorySegment.copy(values, 0, tensor.memory, ValueLayout.JAVA_DOUBLE, 0, values.length);
        return tensor;
    }

    /** The sizes of the dimensions, a copy. */
    @Override
    public long[] shape() {
        return shape.clone();
    }

    /** The number of elements: the product of the shape, 1 for a scalar. */
    public long length() {
        return memory.byteSize() / dtype.bytes();
    }

    /** The size of dimension 0: SING takes the mean of every such row; 1 for a scalar. */
    public long rows() {
        return shape.length == 0 ? 1 : shape[0];
    }

    /** The number of dimensions. */
    public int dimensions() {
        return shape.length;
    }

    /** The element at index {@code i} of the flat memory. */
    public double get(long i) {
        requireHost("get");
        return element(i);
    }

    /** Sets the element at index {@code i} of the flat memory, rounded to the tensor's type. */
    public void set(long i, double value) {
        requireHost("set");
        switch (dtype) {
            case F32 -> memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) value);
            case F64 -> memory.setAtIndex(ValueLayout.JAVA_DOUBLE, i, value);
            case BF16, F16 -> memory.setAtIndex(ValueLayout.JAVA_SHORT, i, HalfPrecision.of(dtype, value));
        }
    }

    private double element(long i) {
        return switch (dtype) {
            case F32 -> memory.getAtIndex(ValueLayout.JAVA_FLOAT, i);
            case F64 -> memory.getAtIndex(ValueLayout.JAVA_DOUBLE, i);
            case BF16, F16 -> HalfPrecision.toFloat(dtype, memory.getAtIndex(ValueLayout.JAVA_SHORT, i));
        };
    }

    /** A copy of the elements, those of F64 rounded. */
    public float[] toFloats() {
        requireHost("toFloats");
        if (dtype == DType.F32) {
            return memory.toArray(ValueLayout.JAVA_FLOAT);
        }
        float[] values = new float[Math.toIntExact(length())];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) element(i);
        }
        return values;
    }

    /** A copy of the elements. */
    public double[] toDoubles() {
        requireHost("toDoubles");
        if (dtype == DType.F64) {
            return memory.toArray(ValueLayout.JAVA_DOUBLE);
        }
        double[] values = new double[Math.toIntExact(length())];
        for (int i = 0; i < values.length; i++) {
            values[i] = element(i);
        }
        return values;
    }

    /** Whether the other is a view of the same memory with the same type and shape; elements are not compared. */
    @Override
    public boolean equals(Object other) {
        return other instanceof Tensor t
                && dtype == t.dtype
                && location == t.location
                && memory.equals(t.memory)
                && Arrays.equals(shape, t.shape);
    }

    @Override
    public int hashCode() {
        return 31 * memory.hashCode() + Arrays.hashCode(shape);
    }

    @Override
    public String toString() {
        return dtype + Arrays.toString(shape) + " on " + location;
    }

    private void requireHost(String method) {
        if (location != Device.Kind.CPU) {
            throw new IllegalStateException(
                    method + " needs host memory, and this tensor is on " + location + ": copy it with Device.copy");
        }
    }

    private static void requireLength(Tensor tensor, int values) {
        if (tensor.length() != values) {
            throw new IllegalArgumentException("shape " + Arrays.toString(tensor.shape) + " has " + tensor.length()
                    + " elements, but there are " + values + " values");
        }
    }

    /** How many bytes the elements take. */
    static long bytes(DType dtype, long[] shape) {
        long bytes = dtype.bytes();
        boolean empty = false;
        for (long size : shape) {
            if (size < 0) {
                throw new IllegalArgumentException("shape " + Arrays.toString(shape) + " has a negative size");
            }
            empty |= size == 0;
        }
        for (long size : shape) {
            try {
                bytes = Math.multiplyExact(bytes, empty ? 0 : size);
            } catch (ArithmeticException e) {
                throw new IllegalArgumentException(
                        "shape " + Arrays.toString(shape) + " of " + dtype + " is larger than any memory", e);
            }
        }
        return bytes;
    }
}
