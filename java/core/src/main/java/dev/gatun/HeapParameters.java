package dev.gatun;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Weights and gradients that live in Java arrays. A step needs memory outside the heap, where nothing moves, so this
 * keeps a mirror of every array there and copies around each step: weights and gradients in, weights out.
 *
 * <pre>{@code
 * try (var device = Device.cpu();
 *         var arrays = HeapParameters.builder().add("layer.weight", weight, gradient, 10, 20).build();
 *         var optimizer = Optimizer.of(device, Adam.of(1e-3), arrays.parameters())) {
 *     for (var batch : batches) {
 *         backward(batch); // fills gradient
 *         arrays.step(optimizer);
 *     }
 * }
 * }</pre>
 *
 * <p>The copies move 24 bytes for each float beside the 28 of a step of Adam, with one thread. Memory that is outside
 * the heap from the start needs none of it: {@link Tensor#of(MemorySegment, DType, long...)}.
 */
public final class HeapParameters implements AutoCloseable {
    /** An array and where its mirror is. */
    private sealed interface Mirror {
        void in();

        void out();

        /** Of floats. */
        record Floats(float[] array, MemorySegment memory) implements Mirror {
            @Override
            public void in() {
                MemorySegment.copy(array, 0, memory, ValueLayout.JAVA_FLOAT, 0, array.length);
            }

            @Override
            public void out() {
                MemorySegment.copy(memory, ValueLayout.JAVA_FLOAT, 0, array, 0, array.length);
            }
        }

        /** Of doubles. */
        record Doubles(double[] array, MemorySegment memory) implements Mirror {
            @Override
            public void in() {
                MemorySegment.copy(array, 0, memory, ValueLayout.JAVA_DOUBLE, 0, array.length);
            }

            @Override
            public void out() {
                MemorySegment.copy(memory, ValueLayout.JAVA_DOUBLE, 0, array, 0, array.length);
            }
        }
    }

    private final Arena arena;
    private final List<Parameter> parameters;
    private final List<Tensor> gradients;
    private final List<Mirror> weightMirrors;
    private final List<Mirror> gradientMirrors;

    private HeapParameters(Builder builder) {
        arena = builder.arena;
        parameters = List.copyOf(builder.parameters);
        gradients = List.copyOf(builder.gradients);
        weightMirrors = List.copyOf(builder.weightMirrors);
        gradientMirrors = List.copyOf(builder.gradientMirrors);
        copyIn();
    }

    /** Starts a list of arrays. */
    public static Builder builder() {
        return new Builder();
    }

    /** The mirrors of the weights, to build an optimizer with, in this order. */
    public List<Parameter> parameters() {
        return parameters;
    }

    /**
     * A step of an optimizer of {@link #parameters}: what the arrays have goes in, the weights it makes come out.
     *
     * @throws IllegalArgumentException if the optimizer has other parameters, or these in another order
     */
    public void step(Optimizer optimizer) {
        List<Parameter> theirs = optimizer.parameters();
        boolean same = theirs.size() == parameters.size();
        for (int i = 0; same && i < parameters.size(); i++) {
            same = theirs.get(i).weight() == parameters.get(i).weight();
        }
        if (!same) {
            throw new IllegalArgumentException("optimizer has other parameters than these arrays: build it with"
                    + " parameters(), group by group in their order");
        }
        copyIn();
        for (int i = 0; i < gradients.size(); i++) {
            gradientMirrors.get(i).in();
            optimizer.bindGradient(i, gradients.get(i));
        }
        optimizer.step();
        copyOut();
    }

    /** Copies the arrays of the weights to their mirrors: before {@link Optimizer#save}, if they have changed. */
    public void copyIn() {
        weightMirrors.forEach(Mirror::in);
    }

    /** Copies the mirrors of the weights to their arrays: after {@link Optimizer#load}. */
    public void copyOut() {
        weightMirrors.forEach(Mirror::out);
    }

    /** Frees the mirrors; close the optimizer before. */
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }

    /** A list of arrays. */
    public static final class Builder {
        private final Arena arena = Arena.ofShared();
        private final List<Parameter> parameters = new ArrayList<>();
        private final List<Tensor> gradients = new ArrayList<>();
        private final List<Mirror> weightMirrors = new ArrayList<>();
        private final List<Mirror> gradientMirrors = new ArrayList<>();

        private Builder() {}

        /**
         * Adds a parameter.
         *
         * @param weight row by row; a step writes to it
         * @param gradient as long as the weight
         * @param shape none for a vector
         * @throws IllegalArgumentException if lengths and shape do not agree
         */
        public Builder add(String name, float[] weight, float[] gradient, long... shape) {
            requireLengths(name, weight.length, gradient.length);
            Tensor mirror = add(name, DType.F32, weight.length, shape);
            weightMirrors.add(new Mirror.Floats(weight, mirror.memory()));
            gradientMirrors.add(new Mirror.Floats(gradient, gradients.getLast().memory()));
            return this;
        }

        /** Adds a parameter of doubles, see {@link #add(String, float[], float[], long...)}. */
        public Builder add(String name, double[] weight, double[] gradient, long... shape) {
            requireLengths(name, weight.length, gradient.length);
            Tensor mirror = add(name, DType.F64, weight.length, shape);
            weightMirrors.add(new Mirror.Doubles(weight, mirror.memory()));
            gradientMirrors.add(new Mirror.Doubles(gradient, gradients.getLast().memory()));
            return this;
        }

        private static void requireLengths(String name, int weight, int gradient) {
            if (weight != gradient) {
                throw new IllegalArgumentException(
                        "the gradient of '" + name + "' has " + gradient + " elements, and its weight has " + weight);
            }
        }

        private Tensor add(String name, DType dtype, int length, long[] shape) {
            long[] sizes = shape.length == 0 ? new long[] {length} : shape;
            Tensor weight = Tensor.allocate(arena, dtype, sizes);
            if (weight.length() != length) {
                throw new IllegalArgumentException("the weight of '" + name + "' has " + length
                        + " elements, and its shape " + Arrays.toString(sizes) + " has " + weight.length());
            }
            parameters.add(Parameter.of(name, weight));
            gradients.add(Tensor.allocate(arena, dtype, sizes));
            return weight;
        }

        /** Builds the mirrors, with the weights as they are now. */
        public HeapParameters build() {
            return new HeapParameters(this);
        }
    }
}
