package dev.gatun;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Weights of many shapes, and a gradient for each at every step but some: everything a function of step and index, with
 * values that the narrower of two types holds exactly, so that a reference in F64 begins alike. Every buffer has sentinels around it.
 */
final class Problem implements AutoCloseable {
    private static final int MARGIN = 64;
    private static final byte SENTINEL = (byte) 0xA5;

    /** Vectors, matrices, more; nothing, one element, odd sizes, rows of one element, enough to be cut into pieces. */
    static final long[][] SHAPES = {
        {7, 13},
        {2, 3, 3, 3},
        {17},
        {1},
        {},
        {0},
        {4, 0},
        {5, 1},
        {1, 5},
        {131},
        {9, 577},
        {11, 2003},
        {3},
        {2, 2},
        {6, 2, 2, 2},
        {4, 1, 3}
    };

    private static final int MOST_SAMPLES = 4;

    private final Arena arena = Arena.ofConfined();
    private final List<MemorySegment> regions = new ArrayList<>();
    private final Subject.Types values;
    final List<Parameter> parameters = new ArrayList<>();
    final List<Tensor> gradients = new ArrayList<>();
    /** Memory for the inputs of layers, null where a parameter's layer has none. */
    private final List<MemorySegment> inputs = new ArrayList<>();

    Problem(DType dtype) {
        this(dtype, SHAPES);
    }

    Problem(DType dtype, long[]... shapes) {
        this(Subject.Types.of(dtype), Subject.Types.of(dtype), shapes);
    }

    /** Weights and gradients of types, with the values of others. */
    Problem(Subject.Types types, Subject.Types values, long[]... shapes) {
        this.values = values;
        for (int i = 0; i < shapes.length; i++) {
            Tensor weight = guarded(types.weight(), shapes[i]);
            SplittableRandom random = new SplittableRandom(i);
            for (long k = 0; k < weight.length(); k++) {
                weight.set(k, rounded(values.weight(), random.nextGaussian() * 0.5));
            }
            Parameter parameter = Parameter.of("p" + i, weight).withGroups(groups(i, shapes[i]));
            inputs.add(
                    hasInput(i, shapes[i])
                            ? guarded(types.weight().arithmetic(), inputShape(i, MOST_SAMPLES, parameter))
                                    .memory()
                            : null);
            parameters.add(i % 4 == 2 ? parameter.withoutDecay() : parameter);
            gradients.add(guarded(types.gradient(), shapes[i]));
        }
    }

    /** Every convolution of one channel is depthwise, every second other one grouped. */
    private static int groups(int i, long[] shape) {
        if (shape.length < 3 || shape[0] == 0) {
            return 1;
        }
        return shape[1] == 1 ? (int) shape[0] : shape[0] % 2 == 0 && i % 2 == 0 ? 2 : 1;
    }

    /** Layers with a weight have an input, but for one, and for convolutions without channels. */
    private static boolean hasInput(int i, long[] shape) {
        return shape.length == 2 && i != 8 || shape.length > 2 && shape[0] > 0 && shape[1] > 0;
    }

    /** Dense with one sample dimension or two, or a convolution's with maps of 1, 3 times 2, ... elements. */
    private static long[] inputShape(int i, int samples, Parameter parameter) {
        long[] weight = parameter.weight().shape();
        if (weight.length == 2) {
            return i % 2 == 0 ? new long[] {samples, weight[1]} : new long[] {samples, 2, weight[1]};
        }
        long[] shape = new long[weight.length];
        shape[0] = samples;
        shape[1] = weight[1] * parameter.groups();
        for (int d = 2; d < shape.length; d++) {
            shape[d] = i % 3 == 2 ? 1 : 5 - d;
        }
        return shape;
    }

    /**
     * The batch that fed a parameter's layer at a step, of one to four samples; null for a layer without input. Floats hold
     * its values exactly. At step 2 the input of p13 is zero.
     */
    Tensor input(int step, int i) {
        if (inputs.get(i) == null) {
            return null;
        }
        Parameter parameter = parameters.get(i);
        DType dtype = parameter.weight().dtype().arithmetic();
        long[] shape = inputShape(i, 1 + (step + i) % MOST_SAMPLES, parameter);
        long length = Arrays.stream(shape).reduce(1, (a, b) -> a * b);
        Tensor input = Tensor.of(inputs.get(i).asSlice(0, length * dtype.bytes()), dtype, shape);
        SplittableRandom random = new SplittableRandom(77_000L * step + i);
        for (long k = 0; k < length; k++) {
            input.set(k, i == 13 && step == 2 ? 0 : (float) random.nextGaussian());
        }
        return input;
    }

    /** Binds what the layers are fed with, where the rule looks at it; for p11 only its power. */
    void bindInputs(Optimizer optimizer, int step) {
        for (int i = 0; i < parameters.size(); i++) {
            Tensor input = optimizer.takesInput(i) ? input(step, i) : null;
            if (input != null && i == 11) {
                optimizer.bindInputPower(i, Tensor.of(arena, new double[] {0.5 + step % 3}));
            } else if (input != null) {
                optimizer.bindInput(i, input);
            }
        }
    }

    private static double rounded(DType dtype, double value) {
        return dtype.isHalf() ? HalfPrecision.toFloat(dtype, HalfPrecision.of(dtype, value)) : (float) value;
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
                double value = random.nextGaussian() * size + size / 3;
                gradient.set(k, i == 9 && step == 3 ? 0 : rounded(values.gradient(), value));
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
