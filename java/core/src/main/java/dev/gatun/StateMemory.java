package dev.gatun;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Zeroed memory of a device for the many tensors of an optimizer, in few allocations. */
final class StateMemory implements AutoCloseable {
    /** What a GPU's own allocations are aligned to. */
    private static final long ALIGNMENT = 256;

    /** An allocation on a GPU waits for it, and takes some 100 microseconds; more than this is not left unused. */
    private static final long BLOCK = 4L << 20;

    private final Device device;
    private final Arena arena = Arena.ofShared();
    private final List<DeviceMemory> blocks = new ArrayList<>();
    private long used;
    /** In the arena: on a CPU. */
    private long arenaBytes;

    StateMemory(Device device) {
        this.device = device;
    }

    Tensor tensor(DType dtype, long... shape) {
        if (device.kind() == Device.Kind.CPU) {
            Tensor tensor = Tensor.allocate(arena, dtype, shape);
            count(tensor.memory().byteSize());
            return tensor;
        }
        return new Tensor(take(Tensor.bytes(dtype, shape)), dtype, device.kind(), shape);
    }

    /** Room for numbers of 64 bits. */
    MemorySegment longs(long count) {
        long bytes = Math.multiplyExact(count, Long.BYTES);
        if (device.kind() == Device.Kind.CPU) {
            MemorySegment segment = arena.allocate(bytes, 64);
            count(bytes);
            return segment;
        }
        return take(bytes);
    }

    private void count(long bytes) {
        arenaBytes += bytes;
        device.context().memory(bytes, false);
    }

    /** What was allocated. */
    long bytes() {
        return arenaBytes
                + blocks.stream().mapToLong(block -> block.segment().byteSize()).sum();
    }

    private MemorySegment take(long bytes) {
        if (blocks.isEmpty() || blocks.getLast().segment().byteSize() - used < bytes) {
            blocks.add(device.allocate(Math.max(bytes, BLOCK)));
            used = 0;
        }
        MemorySegment block = blocks.getLast().segment();
        MemorySegment taken = block.asSlice(used, bytes);
        used = Math.min(block.byteSize(), Math.ceilDiv(used + bytes, ALIGNMENT) * ALIGNMENT);
        return taken;
    }

    /** Frees all of it. */
    @Override
    public void close() {
        arena.close();
        if (arenaBytes > 0) {
            device.context().memory(-arenaBytes, false);
        }
        RuntimeException failure = null;
        for (DeviceMemory block : blocks) {
            try {
                block.close();
            } catch (GatunException e) { // of earlier work; the block is free, and the others are to be
                failure = e;
            }
        }
        blocks.clear();
        if (failure != null) {
            throw failure;
        }
    }
}
