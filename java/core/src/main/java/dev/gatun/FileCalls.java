package dev.gatun;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/** The calls by which a file is replaced; tests put others in their place, which fail or stop at any of them. */
interface FileCalls {
    /** Makes a new file for writing; fails if it is there. */
    default FileChannel create(Path file) throws IOException {
        return FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    }

    /** Writes some of the bytes, as a channel does. */
    default int write(FileChannel channel, ByteBuffer bytes) throws IOException {
        return channel.write(bytes);
    }

    /** Waits until the file is on the disk. */
    default void force(FileChannel channel) throws IOException {
        channel.force(true);
    }

    /** Puts a file in another's place in one instant. */
    default void move(Path from, Path to) throws IOException {
        Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
    }

    /** Waits until a folder's entries are on the disk. */
    default void forceFolder(Path folder) throws IOException {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    default void delete(Path file) throws IOException {
        Files.deleteIfExists(file);
    }

    /** The operating system's. */
    FileCalls SYSTEM = new FileCalls() {};
}
