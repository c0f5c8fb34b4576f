package dev.gatun;

import dev.gatun.bindings.GatunC;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A native context and who needs it: the device itself, and everything made on it. It is destroyed when the last of
 * them lets go, so closing a device early never pulls the ground from under a step. Its lock is the one lock of the
 * Java side; a step does not take it.
 */
final class Context {
    private final MemorySegment pointer;
    private final Device.Kind kind;
    private final AtomicLong memory = new AtomicLong();
    private int users = 1;
    private volatile boolean open = true;

    Context(MemorySegment pointer, Device.Kind kind) {
        this.pointer = pointer;
        this.kind = kind;
    }

    MemorySegment pointer() {
        return pointer;
    }

    boolean isOpen() {
        return open;
    }

    /** For something that will need the context until it calls {@link #release}. */
    synchronized void retain() {
        requireOpen();
        users++;
    }

    synchronized int users() {
        return users;
    }

    synchronized void release() {
        if (--users == 0) {
            Native.check(GatunC.gatun_context_destroy(pointer));
        }
    }

    /** Closes it for new uses. Closing again does nothing. */
    synchronized void close() {
        if (open) {
            open = false;
            release();
        }
    }

    /** Memory was allocated, or with negative bytes freed. */
    void memory(long bytes, boolean pinned) {
        long inUse = memory.addAndGet(bytes);
        FlightLog.LOG.memory(kind.name(), bytes, inUse, pinned);
    }

    /** Bytes that were allocated and are not free. */
    long memory() {
        return memory.get();
    }

    void requireOpen() {
        if (!open) {
            throw new IllegalStateException("the device is closed");
        }
    }
}
