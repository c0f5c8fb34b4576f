package dev.gatun;

import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.TreeMap;

/** Which addresses are taken by what. Two tensors in the same place would overwrite each other without a word. */
final class Regions {
    private record Region(long end, String what) {}

    private final TreeMap<Long, Region> taken = new TreeMap<>();

    /**
     * Takes a segment's addresses.
     *
     * @throws IllegalArgumentException naming both, if a part of them is taken
     */
    void add(MemorySegment segment, String what) {
        requireFree(segment, what);
        if (segment.byteSize() > 0) {
            taken.put(segment.address(), new Region(segment.address() + segment.byteSize(), what));
        }
    }

    /** As {@link #add}, but takes nothing. */
    void requireFree(MemorySegment segment, String what) {
        if (segment.byteSize() == 0) {
            return;
        }
        long start = segment.address();
        long end = start + segment.byteSize();
        Map.Entry<Long, Region> below = taken.lowerEntry(end);
        if (below != null && below.getValue().end > start) {
            throw new IllegalArgumentException(what + " overlaps " + below.getValue().what + ": bytes 0x"
                    + Long.toHexString(start) + " to 0x" + Long.toHexString(end) + " and 0x"
                    + Long.toHexString(below.getKey()) + " to 0x" + Long.toHexString(below.getValue().end));
        }
    }

    void remove(MemorySegment segment) {
        if (segment.byteSize() > 0) {
            taken.remove(segment.address());
        }
    }
}
