package dev.gatun;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;

/**
 * The file that is written before it takes another's place. Its name is its own, so that saves to one place by several
 * threads or processes never write into each other's file: each is whole, and the last one stays. A lock says that its
 * writer lives; what a killed one left has none, and the next save removes it.
 */
final class Aside implements AutoCloseable {
    /** Where the file system knows no locks, or another save takes the new file for an abandoned one. */
    private static final int ATTEMPTS = 10;

    /** Names of this process' own, which must not be opened again: closing any channel of a file lets go of its lock. */
    private static final Set<String> HERE = ConcurrentHashMap.newKeySet();

    private final Path path;
    private final FileChannel channel;

    private Aside(Path path, FileChannel channel) {
        this.path = path;
        this.channel = channel;
    }

    Path path() {
        return path;
    }

    FileChannel channel() {
        return channel;
    }

    /** Makes an empty file beside the one to be replaced, once those that nobody writes any more are gone. */
    static Aside create(Path file, FileCalls calls) throws IOException {
        sweep(file);
        for (int attempt = 1; ; attempt++) {
            String random = String.format("%016x", ThreadLocalRandom.current().nextLong());
            String name = file.getFileName() + "." + random + ".tmp";
            Path path = file.resolveSibling(name);
            HERE.add(name);
            FileChannel channel;
            try {
                channel = calls.create(path);
                if (isOurs(path, channel) || attempt == ATTEMPTS) {
                    return new Aside(path, channel);
                }
            } catch (IOException | RuntimeException e) {
                HERE.remove(name);
                throw e;
            }
            channel.close();
            HERE.remove(name);
        }
    }

    /** Whether it is locked and still there; where there are no locks nobody takes it for abandoned. */
    private static boolean isOurs(Path path, FileChannel channel) {
        try {
            return channel.tryLock() != null && Files.exists(path);
        } catch (IOException e) {
            return true;
        }
    }

    /** Removes what killed saves of this file have left. What cannot be removed is no reason to fail. */
    private static void sweep(Path file) {
        String name = file.getFileName().toString();
        DirectoryStream.Filter<Path> left = path -> {
            String other = path.getFileName().toString();
            return other.startsWith(name)
                    && other.substring(name.length()).matches("\\.[0-9a-f]{16}\\.tmp")
                    && !HERE.contains(other);
        };
        try (DirectoryStream<Path> files = Files.newDirectoryStream(file.getParent(), left)) {
            for (Path path : files) {
                removeIfAbandoned(path);
            }
        } catch (IOException | RuntimeException e) {
            // A folder that cannot be listed can still be written.
        }
    }

    private static void removeIfAbandoned(Path path) {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE);
                FileLock lock = channel.tryLock()) {
            if (lock != null) {
                Files.deleteIfExists(path);
            }
        } catch (IOException | RuntimeException e) {
            // Another's, or gone by now.
        }
    }

    @Override
    public void close() throws IOException {
        HERE.remove(path.getFileName().toString());
        channel.close();
    }
}
