package dev.gatun.bindings;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

/**
 * Whether a file is a whole shared library. The dynamic linker maps what the file's header promises, and a library that
 * was cut short, by a full disk or an interrupted copy, kills the JVM with SIGBUS instead of causing an error.
 */
final class ElfFile {
    private static final int HEADER = 64;
    private static final int SEGMENT = 56;

    private ElfFile() {}

    /** What is wrong with the file; null if nothing is. */
    static String fault(Path path) {
        try (FileChannel file = FileChannel.open(path)) {
            ByteBuffer header = read(file, 0, HEADER);
            // "\177ELF", 64 bits, little endian: all that this library is built for
            if (header.remaining() < HEADER || header.getInt(0) != 0x464c457f || header.getShort(4) != 0x0102) {
                return path + " is not a 64-bit shared library (" + file.size() + " bytes, no ELF header of one)";
            }
            // The table of sections stands at the end: e_shoff + e_shentsize * e_shnum.
            long end = header.getLong(40) + Short.toUnsignedLong(header.getShort(58)) * header.getShort(60);
            long first = Math.clamp(header.getLong(32), 0, file.size());
            ByteBuffer segments = read(file, first, SEGMENT * Short.toUnsignedInt(header.getShort(56)));
            for (int at = 0; at + SEGMENT <= segments.remaining(); at += SEGMENT) {
                end = Math.max(end, segments.getLong(at + 8) + segments.getLong(at + 32)); // p_offset + p_filesz
            }
            return end <= file.size()
                    ? null
                    : path + " is cut short: it has " + file.size() + " bytes of " + end + "; build or copy it again";
        } catch (IOException e) {
            return path + " cannot be read: " + e.getMessage();
        }
    }

    private static ByteBuffer read(FileChannel file, long position, int bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int n = 0;
        while (n >= 0 && buffer.hasRemaining()) {
            n = file.read(buffer, position + buffer.position());
        }
        return buffer.flip();
    }
}
