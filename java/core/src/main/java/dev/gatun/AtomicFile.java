package dev.gatun;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.List;

/**
 * Replaces a file so that at any instant, through a crash or a power failure, either the old one or the new one is
 * there whole: written aside in the same folder, synced, renamed over the old one, the folder synced. So it is when
 * several threads or processes replace one file at once: the last rename wins.
 */
final class AtomicFile {
    /** As much as one ByteBuffer view of a segment is asked to have; it could have 2 GiB - 1. */
    private static final long PIECE = 1L << 30;

    private AtomicFile() {}

    static void replace(Path file, List<MemorySegment> content, FileCalls calls) throws IOException {
        Path absolute = file.toAbsolutePath();
        if (absolute.getFileName() == null) {
            throw new IOException(file + " is a folder: name a file in it");
        }
        try (Aside aside = Aside.create(absolute, calls)) {
            try {
                for (MemorySegment segment : content) {
                    write(aside.channel(), segment, calls);
                }
                calls.force(aside.channel());
                calls.move(aside.path(), absolute);
                calls.forceFolder(absolute.getParent());
            } catch (IOException | RuntimeException e) {
                try {
                    calls.delete(aside.path());
                } catch (IOException | RuntimeException leftover) {
                    e.addSuppressed(leftover);
                }
                throw e;
            }
        }
    }

    private static void write(FileChannel channel, MemorySegment segment, FileCalls calls) throws IOException {
        for (long at = 0; at < segment.byteSize(); at += PIECE) {
            ByteBuffer piece = segment.asSlice(at, Math.min(PIECE, segment.byteSize() - at))
                    .asByteBuffer();
            while (piece.hasRemaining()) {
                if (calls.write(channel, piece) <= 0) {
                    throw new IOException("the file system takes no more bytes");
                }
            }
        }
    }
}
