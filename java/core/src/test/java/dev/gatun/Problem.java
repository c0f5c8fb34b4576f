package dev.gatun;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Weights of many shapes, and a gradient for each at every step but some: everything a function of step and index, with
 * values that floats hold exactly, so that F32 and F64 begin alike. Every buffer has sentinels around it.
 */
final class Problem implements AutoCloseable {
    private static final int MARGIN = 64;
    private static final byte SENTINEL = (byte) 0xA5;

    /** Vectors, matrices, more; nothing, one element, odd sizes, rows of one element, enough to be cut into pieces. */
    static final long[][] SHAPES = {
        {7, 13}, {2, 3, 3, 3}, {17}, {1}, {}, {0}, {4, 0}, {5, 1}, {1, 5}, {131}, {9, 577}, {11, 2003}, {3}, {2, 2}
    };

    private final Arena arena = Arena.ofConfined();
    private final List<MemorySegment> regions = new ArrayList<>();
    final List<Parameter> parameters = new ArrayList<>();
    final List<Tensor> gradients = new ArrayList<>();

    Problem(DType dtype) {
        this(dtype, SHAPES);
    }

    Problem(DType dtype, long[]... shapes) {
        for (int i = 0; i < shapes.length; i++) {
            Tensor weight = guarded(dtype, shapes[i]);
            SplittableRandom random = new SplittableRandom(i);
            for (long k = 0; k < weight.length(); k++) {
                weight.set(k, (float) (random.nextGaussian() * 0.5));
            }
            Parameter parameter = Parameter.of("p" + i, weight);
            parameters.add(i % 4 == 2 ? parameter.withoutDecay() : parameter);
            gradients.add(guarded(dtype, shapes[i]));
        }
    }

    private Tensor guarded(DType dtype, long... shape) {
        long bytes = dtype.bytes();
        for (long size : shape) {
            bytes *= size;
        }
        MemorySegment region = arena.allocate(bytes + 2 * MARGIN, 64).fill(SENTINEL);
        regions.add(region);
        return Tensor.of(region.asSlice(MARGIN, bytes).fill((byte) 0), dtype, shape);
    }

    /** Whether a parameter has a gradient at a step, counted from 1. */
    static boolean hasGradient(int step, int index) {
        return (3 * step + index) % 7 != 0;
    }

    /** Fills the gradients of a step. */
    void fill(int step) {
        for (int i = 0; i < gradients.size(); i++) {
            SplittableRandom random = new SplittableRandom(1000L * step + i);
            double size = Math.pow(10, i % 4 - 2);
            Tensor gradient = gradients.get(i);
            for (long k = 0; k < gradient.length(); k++) {
                gradient.set(k, i == 9 && step == 3 ? 0 : (float) (random.nextGaussian() * size + size / 3));
            }
        }
    }

    /** Whether no byte around a buffer has changed. */
    boolean sentinelsIntact() {
        return regions.stream().allMatch(region -> {
            boolean intact = true;
            for (long k = 0; k < MARGIN; k++) {
                intact &= region.get(ValueLayout.JAVA_BYTE, k) == SENTINEL;
                intact &= region.get(ValueLayout.JAVA_BYTE, region.byteSize() - 1 - k) == SENTINEL;
            }
            return intact;
        });
    }

    byte[] gradientBits() {
        return bits(gradients);
    }

    byte[] weightBits() {
        return bits(parameters.stream().map(Parameter::weight).toList());
    }

    static byte[] bits(List<Tensor> tensors) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        tensors.forEach(tensor -> bytes.writeBytes(tensor.memory().toArray(ValueLayout.JAVA_BYTE)));
        return bytes.toByteArray();
    }

    @Override
    public void close() {
        arena.close();
    }
}
