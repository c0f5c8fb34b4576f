package dev.gatun;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * Weights of many shapes, and a gradient for each at every step but some: everything a function of step and index, with
 * values that the narrower of two types holds exactly, so that a reference in F64 begins alike. Every buffer has sentinels
 * around it. On a GPU each has a twin there, sentinels included: {@link #send} takes gradients over, what asks for bits or
 * values brings them back.
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
    /** The same kinds for the emulated GPU, which takes microseconds for an element. */
    static final long[][] SMALL_SHAPES = {
        {7, 3},
        {2, 3, 3, 3},
        {17},
        {1},
        {},
        {0},
        {4, 0},
        {5, 1},
        {1, 5},
        {131},
        {3, 77},
        {1, 2050},
        {3},
        {2, 2},
        {6, 2, 2, 2},
        {4, 1, 3}
    };

    private final Arena arena = Arena.ofConfined();
    private final Subject.Types values;
    private final Device device;
    private final MemorySegment regions;
    /** Weights, then gradients; on the CPU the regions themselves. */
    private final MemorySegment twins;

    /** Where the gradients begin. */
    private final long split;

    private final DeviceMemory block;
    private final List<Tensor> weights = new ArrayList<>();
    final List<Parameter> parameters = new ArrayList<>();
    /** In host memory, to be filled. */
    final List<Tensor> gradients = new ArrayList<>();
    /** Memory for the inputs of layers, null where a parameter's layer has none. */
    private final List<MemorySegment> inputs = new ArrayList<>();
    /** The same with their sentinels. */
    private final List<MemorySegment> inputRegions = new ArrayList<>();

    private final Map<Integer, DeviceMemory> inputBlocks = new HashMap<>();
    /** The inputs that are bound on a device, and what they are in host memory. */
    private final Map<Tensor, Tensor> feeds = new HashMap<>();

    /** Where the optimizer finds them. */
    private final List<Tensor> bindable = new ArrayList<>();

    static long[][] shapes() {
        return TestDevice.isEmulated() ? SMALL_SHAPES : SHAPES;
    }

    /** In host memory. */
    Problem(DType dtype, long[]... shapes) {
        this(dtype, null, shapes);
    }

    /** In host memory. */
    Problem(Subject.Types types, Subject.Types values, long[]... shapes) {
        this(types, values, null, shapes);
    }

    Problem(DType dtype, Device device, long[]... shapes) {
        this(Subject.Types.of(dtype), Subject.Types.of(dtype), device, shapes);
    }

    /** Weights and gradients of types, with the values of others. */
    Problem(Subject.Types types, Subject.Types values, Device device, long[]... shapes) {
        this.values = values;
        this.device = device;
        split = regionBytes(types.weight(), shapes);
        regions = arena.allocate(split + regionBytes(types.gradient(), shapes), MARGIN)
                .fill(SENTINEL);
        Device.Kind location = device == null ? Device.Kind.CPU : device.kind();
        block = location == Device.Kind.CPU ? null : device.allocate(regions.byteSize());
        twins = block == null ? regions : block.segment();
        long w = 0;
        long g = split;
        for (int i = 0; i < shapes.length; i++) {
            Tensor weight = tensor(regions, w, types.weight(), Device.Kind.CPU, shapes[i]);
            Tensor gradient = tensor(regions, g, types.gradient(), Device.Kind.CPU, shapes[i]);
            gradient.memory().fill((byte) 0);
            SplittableRandom random = new SplittableRandom(i);
            for (long k = 0; k < weight.length(); k++) {
                weight.set(k, rounded(values.weight(), random.nextGaussian() * 0.5));
            }
            inputs.add(
                    hasInput(i, shapes[i])
                            ? guarded(
                                    types.weight().arithmetic(),
                                    inputShape(i, MOST_SAMPLES, shapes[i], groups(i, shapes[i])))
                            : null);
            weights.add(weight);
            gradients.add(gradient);
            Parameter parameter = Parameter.of("p" + i, tensor(twins, w, types.weight(), location, shapes[i]))
                    .withGroups(groups(i, shapes[i]));
            parameters.add(i % 4 == 2 ? parameter.withoutDecay() : parameter);
            bindable.add(tensor(twins, g, types.gradient(), location, shapes[i]));
            w += regionBytes(types.weight(), shapes[i]);
            g += regionBytes(types.gradient(), shapes[i]);
        }
        if (block != null) {
            device.copy(twins, regions);
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
    private static long[] inputShape(int i, int samples, long[] weight, int groups) {
        if (weight.length == 2) {
            return i % 2 == 0 ? new long[] {samples, weight[1]} : new long[] {samples, 2, weight[1]};
        }
        long[] shape = new long[weight.length];
        shape[0] = samples;
        shape[1] = weight[1] * groups;
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
        long[] shape =
                inputShape(i, 1 + (step + i) % MOST_SAMPLES, parameter.weight().shape(), parameter.groups());
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
        feeds.clear();
        for (int i = 0; i < parameters.size(); i++) {
            Tensor input = optimizer.takesInput(i) ? input(step, i) : null;
            if (input != null && i == 11) {
                optimizer.bindInputPower(i, fed(i, Tensor.of(arena, new double[] {0.5 + step % 3})));
            } else if (input != null) {
                optimizer.bindInput(i, fed(i, input));
            }
        }
    }

    /** Where the optimizer finds an input; {@link #send} takes it there. */
    private Tensor fed(int i, Tensor host) {
        if (block == null) {
            return host;
        }
        DeviceMemory memory = inputBlocks.computeIfAbsent(
                i, key -> device.allocate(Math.max(inputs.get(key).byteSize(), Double.BYTES)));
        MemorySegment place = memory.segment().asSlice(0, host.memory().byteSize());
        Tensor twin = new Tensor(place, host.dtype(), device.kind(), host.shape());
        feeds.put(twin, host);
        device.copy(place, host.memory());
        return twin;
    }

    private static double rounded(DType dtype, double value) {
        return dtype.isHalf() ? HalfPrecision.toFloat(dtype, HalfPrecision.of(dtype, value)) : (float) value;
    }

    private MemorySegment guarded(DType dtype, long... shape) {
        MemorySegment region =
                arena.allocate(bytes(dtype, shape) + 2 * MARGIN, MARGIN).fill(SENTINEL);
        inputRegions.add(region);
        return region.asSlice(MARGIN, bytes(dtype, shape)).fill((byte) 0);
    }

    private static long bytes(DType dtype, long... shape) {
        return LongStream.of(shape).reduce(dtype.bytes(), (a, b) -> a * b);
    }

    /** Of all tensors of these shapes, sentinels included. */
    private static long regionBytes(DType dtype, long[]... shapes) {
        return Stream.of(shapes)
                .mapToLong(shape -> Math.ceilDiv(bytes(dtype, shape) + 2 * MARGIN, MARGIN) * MARGIN)
                .sum();
    }

    private static Tensor tensor(MemorySegment all, long at, DType dtype, Device.Kind location, long... shape) {
        return new Tensor(all.asSlice(at + MARGIN, bytes(dtype, shape)), dtype, location, shape);
    }

    /** The gradients as the optimizer is to be given them. */
    List<Tensor> bindable() {
        return bindable;
    }

    /** Takes the gradients to the device. */
    void send() {
        if (block != null) {
            device.copy(twins.asSlice(split), regions.asSlice(split));
            feeds.forEach((twin, host) -> device.copy(twin.memory(), host.memory()));
        }
    }

    /** Brings everything back, sentinels included. */
    private void fetch() {
        if (block != null) {
            device.copy(regions, twins);
            device.synchronize();
        }
    }

    private void fetchWeights() {
        if (block != null) {
            device.copy(regions.asSlice(0, split), twins.asSlice(0, split));
            device.synchronize();
        }
    }

    /** The tensors, or copies of them that the host can read. */
    List<Tensor> onHost(List<Tensor> tensors) {
        if (block == null) {
            return tensors;
        }
        long bytes = tensors.stream()
                .mapToLong(t -> t.memory().byteSize() + Long.BYTES)
                .sum();
        MemorySegment copies = arena.allocate(bytes, Long.BYTES);
        List<Tensor> host = new ArrayList<>();
        try (DeviceMemory pinned = device.allocatePinned(bytes)) { // so that all are brought by one wait
            long at = 0;
            for (Tensor tensor : tensors) {
                long size = tensor.memory().byteSize();
                device.copy(pinned.segment().asSlice(at, size), tensor.memory());
                host.add(Tensor.of(copies.asSlice(at, size), tensor.dtype(), tensor.shape()));
                at += Math.ceilDiv(size, Long.BYTES) * Long.BYTES;
            }
            device.synchronize();
            copies.copyFrom(pinned.segment());
        }
        return host;
    }

    /** Overwrites all weights. */
    void spoilWeights() {
        for (int i = 0; i < weights.size(); i++) {
            weights.get(i).memory().fill((byte) 3);
            device.copy(parameters.get(i).weight().memory(), weights.get(i).memory());
        }
        device.synchronize();
    }

    /** The weights as they are now, in host memory. */
    List<Tensor> weights() {
        fetchWeights();
        return weights;
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
        fetch();
        long end = regions.byteSize();
        BitSet tensors = new BitSet();
        Stream.concat(weights.stream(), gradients.stream()).forEach(tensor -> {
            int at = (int) (tensor.memory().address() - regions.address());
            tensors.set(at, at + (int) tensor.memory().byteSize());
        });
        for (long k = tensors.nextClearBit(0); k < end; k = tensors.nextClearBit((int) k + 1)) {
            if (regions.get(ValueLayout.JAVA_BYTE, k) != SENTINEL) {
                return false;
            }
        }
        return inputRegions.stream().allMatch(region -> {
            boolean intact = true;
            for (long k = 0; k < MARGIN; k++) {
                intact &= region.get(ValueLayout.JAVA_BYTE, k) == SENTINEL;
                intact &= region.get(ValueLayout.JAVA_BYTE, region.byteSize() - 1 - k) == SENTINEL;
            }
            return intact;
        });
    }

    byte[] gradientBits() {
        fetch();
        return bits(gradients);
    }

    byte[] weightBits() {
        return bits(weights());
    }

    static byte[] bits(List<Tensor> tensors) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        tensors.forEach(tensor -> bytes.writeBytes(tensor.memory().toArray(ValueLayout.JAVA_BYTE)));
        return bytes.toByteArray();
    }

    @Override
    public void close() {
        inputBlocks.values().forEach(DeviceMemory::close);
        if (block != null) {
            block.close();
        }
        arena.close();
    }
}
