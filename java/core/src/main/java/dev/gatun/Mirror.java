package dev.gatun;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Trains parameters in host memory on a GPU: keeps twins of weights and gradients there, and takes gradients over and
 * weights back around each step, for a framework that computes gradients on the CPU.
 *
 * <pre>{@code
 * try (var device = Device.best();
 *         var mirror = Mirror.of(device, parameters);
 *         var optimizer = Optimizer.of(device, Sing.official(5e-3), mirror.parameters())) {
 *     mirror.bindGradients(optimizer, gradients); // of the host
 *     for (var batch : batches) {
 *         backward(batch); // fills the gradients
 *         mirror.step(optimizer);
 *     }
 *     optimizer.save(Path.of("run.safetensors"));
 * }
 * }</pre>
 *
 * <p>A step copies all gradients into one area of pinned memory, and that in one piece to the GPU; behind it in the
 * stream follow the optimizer's step and one copy of all weights back to the same area. When {@link #step} returns, the
 * host's weights are those of the step. That is 8 bytes across the bus for each F32 parameter and step, and the host's
 * memory twice: where gradients can be computed on the GPU, nothing of this is needed.
 *
 * <p>Where the parameters are already in the device's own memory, always so on the CPU, the mirror is empty:
 * {@link #parameters} are those given, and nothing is ever copied. So a training loop needs one form only.
 *
 * <p>It takes gradients over, and no inputs of layers: those of {@link Nsgd} have to be in the GPU's memory.
 *
 * <p>Between steps the GPU's weights are the ones that count. After changing the host's, call {@link #uploadWeights};
 * after {@link Optimizer#load}, {@link #downloadWeights}. Like an optimizer, a mirror belongs to the thread that made
 * it.
 */
public final class Mirror implements AutoCloseable {
    /** As the device's own allocations: steps then use whole vectors. */
    private static final long ALIGNMENT = 256;

    private final Device device;
    private final List<Parameter> host;
    private final List<Parameter> parameters;
    /** The host's weights, which no gradient may overlap. */
    private final Regions fixed = new Regions();

    private final Tensor[] bound;
    /** Of the gradients, made when one is bound. */
    private final Tensor[] twins;

    private final long[] offsets;
    private final MemorySegment weightArea;
    private final MemorySegment gradientArea;
    /** Weights, then gradients; null if nothing is mirrored. */
    private final DeviceMemory memory;

    private final DeviceMemory pinned;
    /** Whose gradients are bound. */
    private Optimizer known;

    private Gradients gradients;
    private boolean open = true;

    private Mirror(Device device, List<Parameter> host) {
        this.device = device;
        this.host = host;
        bound = new Tensor[host.size()];
        twins = new Tensor[host.size()];
        offsets = new long[host.size()];
        boolean there = host.stream().allMatch(parameter -> parameter.weight().location() == device.kind());
        if (there) {
            parameters = host;
            memory = null;
            pinned = null;
            weightArea = null;
            gradientArea = null;
            return;
        }
        long bytes = 0;
        for (int i = 0; i < offsets.length; i++) {
            Parameter parameter = host.get(i);
            String name = "the weight of '" + parameter.name() + "'";
            Gradients.requireUsable(parameter.weight(), Device.Kind.CPU, true, name);
            fixed.add(parameter.weight().memory(), name);
            offsets[i] = bytes;
            // room for a gradient of the type that steps are computed in, which may be wider than the weight's
            long most = Math.multiplyExact(
                    parameter.weight().length(),
                    parameter.weight().dtype().arithmetic().bytes());
            bytes = Math.addExact(bytes, Math.ceilDiv(most, ALIGNMENT) * ALIGNMENT);
        }
        memory = device.allocate(Math.multiplyExact(2, bytes));
        try {
            pinned = device.allocatePinned(bytes);
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
        weightArea = memory.segment().asSlice(0, bytes);
        gradientArea = memory.segment().asSlice(bytes, bytes);
        List<Parameter> mirrored = new ArrayList<>();
        for (int i = 0; i < offsets.length; i++) {
            Parameter parameter = host.get(i);
            mirrored.add(new Parameter(
                    parameter.name(),
                    twin(weightArea, i, parameter.weight().dtype()),
                    parameter.decay(),
                    parameter.groups()));
        }
        parameters = List.copyOf(mirrored);
        try {
            uploadWeights();
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private Tensor twin(MemorySegment area, int i, DType dtype) {
        Tensor weight = host.get(i).weight();
        return new Tensor(
                area.asSlice(offsets[i], weight.length() * dtype.bytes()), dtype, device.kind(), weight.shape());
    }

    /** Where the GPU finds the gradient that is bound; null for none. */
    private Tensor gradientTwin(int i) {
        if (bound[i] == null) {
            return null;
        }
        if (twins[i] == null || twins[i].dtype() != bound[i].dtype()) {
            twins[i] = twin(gradientArea, i, bound[i].dtype());
        }
        return twins[i];
    }

    /**
     * Twins of parameters on a device, with the weights that they have now.
     *
     * @param parameters all in host memory, or all in the device's
     * @throws IllegalArgumentException naming the parameter, for a weight that is read-only, overlaps another, or is in
     *     the memory of a GPU that is not the device's
     * @throws GatunException if the device has not enough memory
     */
    public static Mirror of(Device device, List<Parameter> parameters) {
        return new Mirror(Check.notNull("device", device), List.copyOf(Check.notNull("parameters", parameters)));
    }

    /** What to make the optimizer of: the twins, in the order of the parameters given, or these themselves. */
    public List<Parameter> parameters() {
        return parameters;
    }

    /** Whether there are twins, or the parameters given are already in the device's memory. */
    public boolean mirrors() {
        return memory != null;
    }

    /**
     * Says where all gradients are in host memory; null for a parameter that has none.
     *
     * @throws IllegalArgumentException as {@link Optimizer#bindGradients}, or if the optimizer is not of
     *     {@link #parameters}
     */
    public void bindGradients(Optimizer optimizer, List<Tensor> gradients) {
        requireMine(optimizer);
        if (memory == null) {
            optimizer.bindGradients(gradients);
            return;
        }
        if (gradients.size() != bound.length) {
            throw new IllegalArgumentException("gradients has " + gradients.size() + " tensors, and there are "
                    + bound.length + " parameters: pass null for a parameter without a gradient");
        }
        this.gradients.bindAll(gradients);
        for (int i = 0; i < bound.length; i++) {
            bound[i] = gradients.get(i);
            optimizer.bindGradient(i, gradientTwin(i));
        }
    }

    /**
     * Says where one gradient is in host memory, or with null that there is none. Free if it is bound already.
     *
     * @throws IllegalArgumentException as {@link #bindGradients}
     */
    public void bindGradient(Optimizer optimizer, int index, Tensor gradientOrNull) {
        requireMine(optimizer);
        if (memory == null || index < 0 || index >= bound.length) {
            optimizer.bindGradient(index, gradientOrNull); // which names the range
            return;
        }
        if (!gradients.isBound(index, gradientOrNull)) {
            gradients.bind(index, gradientOrNull);
            bound[index] = gradientOrNull;
            optimizer.bindGradient(index, gradientTwin(index));
        }
    }

    /**
     * Takes the gradients over, does one step and brings the weights back; returns when they are there. Allocates
     * nothing. A refused step leaves all weights as they were; gradients are zeroed if the optimizer does that.
     *
     * @throws IllegalStateException if memory of a weight or gradient was closed, or the mirror, optimizer or device was
     * @throws GatunException as {@link Optimizer#step}; the host's weights are then those of the step before
     */
    public void step(Optimizer optimizer) {
        requireMine(optimizer);
        if (memory == null) {
            optimizer.step();
            return;
        }
        gradients.requireAlive();
        for (int i = 0; i < bound.length; i++) {
            if (bound[i] != null) {
                MemorySegment from = bound[i].memory();
                MemorySegment.copy(from, 0, pinned.segment(), offsets[i], from.byteSize());
            }
        }
        device.copy(gradientArea, pinned.segment());
        optimizer.step();
        downloadWeights();
        if (optimizer.zeroesGradients()) {
            for (Tensor gradient : bound) {
                if (gradient != null) {
                    gradient.memory().fill((byte) 0);
                }
            }
        }
    }

    /** Makes the GPU's weights equal to the host's; waits for it. */
    public void uploadWeights() {
        requireOpen();
        if (memory == null) {
            return;
        }
        device.synchronize(); // the pinned memory may be on its way
        for (int i = 0; i < offsets.length; i++) {
            MemorySegment weight = host.get(i).weight().memory();
            MemorySegment.copy(weight, 0, pinned.segment(), offsets[i], weight.byteSize());
        }
        device.copy(weightArea, pinned.segment());
        device.synchronize();
    }

    /** Makes the host's weights equal to the GPU's; waits for it. */
    public void downloadWeights() {
        requireOpen();
        if (memory == null) {
            return;
        }
        device.copy(pinned.segment(), weightArea);
        device.synchronize();
        for (int i = 0; i < offsets.length; i++) {
            MemorySegment weight = host.get(i).weight().memory();
            MemorySegment.copy(pinned.segment(), offsets[i], weight, 0, weight.byteSize());
        }
    }

    private void requireMine(Optimizer optimizer) {
        requireOpen();
        if (optimizer != known) {
            if (optimizer.device() != device || !optimizer.parameters().equals(parameters)) {
                throw new IllegalArgumentException("the optimizer is not of this mirror's device and parameters: build"
                        + " it with mirror.parameters(), in their order");
            }
            known = optimizer;
            gradients = new Gradients(host, Device.Kind.CPU, optimizer.zeroesGradients(), fixed, List.of());
            Arrays.fill(bound, null);
        }
    }

    private void requireOpen() {
        if (!open) {
            throw new IllegalStateException("the mirror is closed");
        }
    }

    /** Frees the twins; the host's weights stay as they are. Close the optimizer first. Closing again does nothing. */
    @Override
    public void close() {
        open = false;
        if (memory != null) {
            try {
                pinned.close();
            } finally {
                memory.close();
            }
        }
    }
}
