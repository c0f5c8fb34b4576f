package dev.gatun;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * What this process has allocated and not freed outside the Java heap, as glibc counts it. Unlike the resident size it does not
 * grow with that heap, nor stay for what malloc keeps for later.
 */
final class Malloc {
    /** struct mallinfo2, since glibc 2.33: ten numbers, of all arenas. */
    private static final MemoryLayout MALLINFO2 = MemoryLayout.structLayout(
            MemoryLayout.sequenceLayout(10, ValueLayout.JAVA_LONG).withName("numbers"));

    /** Bytes in mapped regions, and bytes in use in the others. */
    private static final int HBLKHD = 4;

    private static final int UORDBLKS = 7;

    private Malloc() {}

    static long bytesInUse() {
        Linker linker = Linker.nativeLinker();
        MethodHandle mallinfo2 = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("mallinfo2"), FunctionDescriptor.of(MALLINFO2));
        try (Arena call = Arena.ofConfined()) {
            MemorySegment info = (MemorySegment) mallinfo2.invokeExact((SegmentAllocator) call);
            return info.getAtIndex(ValueLayout.JAVA_LONG, HBLKHD) + info.getAtIndex(ValueLayout.JAVA_LONG, UORDBLKS);
        } catch (Throwable e) {
            throw new AssertionError("mallinfo2 failed", e);
        }
    }
}
