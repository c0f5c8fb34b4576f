package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.gatun_transform;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Cleaner;

/**
 * Memory of a device, or pinned memory of the host, owned by whoever allocated it. Java can pass a CUDA device's segment
 * on, but not touch it: that ends the process. It may be closed after its device.
 */
public final class DeviceMemory implements AutoCloseable {
    private final MemorySegment segment;
    private final Cleaner.Cleanable cleanable;

    DeviceMemory(Context context, long bytes, boolean pinned) {
        context.retain();
        Arena arena = Arena.ofShared();
        MemorySegment address;
        try (Arena call = Arena.ofConfined()) {
            MemorySegment pointer = call.allocate(ValueLayout.ADDRESS);
            Native.check(GatunC.gatun_memory_allocate(context.pointer(), bytes, pinned ? 1 : 0, pointer));
            address = pointer.get(ValueLayout.ADDRESS, 0);
        } catch (RuntimeException e) {
            arena.close();
            context.release();
            throw e;
        }
        context.memory(bytes, pinned);
        this.segment = view(address, bytes, arena);
        this.cleanable = Device.CLEANER.register(this, () -> {
            arena.close(); // first: from here on nobody can reach the memory through a segment
            try {
                Native.check(GatunC.gatun_memory_free(context.pointer(), address, pinned ? 1 : 0));
            } finally { // the memory is free also when CUDA reports that earlier work has failed
                context.memory(-bytes, pinned);
                context.release();
            }
        });
    }

    /**
     * Sizes a bare address as whole structs and cuts the rest off. Only the bindings call restricted methods, so that
     * a user has one module to pass to --enable-native-access.
     */
    private static MemorySegment view(MemorySegment address, long bytes, Arena arena) {
        long structs = Math.ceilDiv(bytes, gatun_transform.sizeof());
        return gatun_transform.reinterpret(address, structs, arena, null).asSlice(0, bytes);
    }

    /** The memory, until it is closed. */
    public MemorySegment segment() {
        return segment;
    }

    /**
     * Frees the memory when all that the device was asked to do has happened; its segment cannot be used any more.
     * Closing again does nothing.
     */
    @Override
    public void close() {
        cleanable.clean();
    }
}
