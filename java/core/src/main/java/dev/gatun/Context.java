package dev.gatun;

import dev.gatun.bindings.GatunC;
import java.lang.foreign.MemorySegment;

/**
 * A native context and who needs it: the device itself, and everything made on it. It is destroyed when the last of
 * them lets go, so closing a device early never pulls the ground from under a step. Its lock is the one lock of the
 * Java side; a step does not take it.
 */
final class Context {
    private final MemorySegment pointer;
    private int users = 1;
    private volatile boolean open = true;

    Context(MemorySegment pointer) {
        this.pointer = pointer;
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

    void requireOpen() {
        if (!open) {
            throw new IllegalStateException("the device is closed");
        }
    }
}
