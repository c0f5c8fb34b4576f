package dev.gatun.bindings;

import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;

/**
 * A folder in which a library is kept as {@code <SHA-256 of its content>/<name>}, so that versions never meet and a copy
 * made once serves every later start. Code is loaded from here: the folders are for this user alone, and what already
 * lies there is hashed before it is trusted.
 */
final class LibraryCache {
    private static final Set<PosixFilePermission> PRIVATE = PosixFilePermissions.fromString("rwx------");
    private static final Set<PosixFilePermission> WRITABLE_BY_OTHERS =
            Set.of(PosixFilePermission.GROUP_WRITE, PosixFilePermission.OTHERS_WRITE);

    /** The folder; null for a temporary one that is made when needed and deleted at exit. */
    private final Path folder;

    private LibraryCache(Path folder) {
        this.folder = folder;
    }

    /** Where to try, in this order. */
    static List<LibraryCache> places() {
        return List.of(new LibraryCache(userCache()), new LibraryCache(null));
    }

    private static Path userCache() {
        String given = System.getProperty(NativeLibrary.CACHE_PROPERTY);
        if (given != null) {
            return Path.of(given).toAbsolutePath();
        }
        String xdg = System.getenv("XDG_CACHE_HOME");
        // The specification of XDG_CACHE_HOME asks to ignore relative paths.
        return xdg != null && xdg.startsWith("/")
                ? Path.of(xdg, "gatun")
                : Path.of(System.getProperty("user.home"), ".cache", "gatun").toAbsolutePath();
    }

    String describe() {
        return folder == null ? "a temporary folder" : "cache folder " + folder;
    }

    /** The path of a file with the resource's content; written if it is not there or is not whole. */
    Path store(URL resource, String name) throws IOException {
        byte[] content;
        try (InputStream in = resource.openStream()) {
            content = in.readAllBytes();
        }
        byte[] hash = sha256(content);
        Path directory = directory(HexFormat.of().formatHex(hash));
        Path file = directory.resolve(name);
        if (!Files.isRegularFile(file) || !MessageDigest.isEqual(sha256(Files.readAllBytes(file)), hash)) {
            write(content, directory, file);
        }
        if (folder == null) {
            directory.toFile().deleteOnExit(); // in reverse order: the file first
            file.toFile().deleteOnExit();
        }
        return file;
    }

    private Path directory(String hash) throws IOException {
        try {
            if (folder == null) {
                return Files.createTempDirectory("gatun", PosixFilePermissions.asFileAttribute(PRIVATE));
            }
            Path directory = folder.resolve(hash);
            if (!Files.isDirectory(directory)) {
                Files.createDirectories(directory, PosixFilePermissions.asFileAttribute(PRIVATE));
            }
            checkPrivate(folder);
            checkPrivate(directory);
            return directory;
        } catch (FileSystemException e) {
            throw explained(e);
        }
    }

    /** Whoever may write to the folder decides what code runs here. */
    private static void checkPrivate(Path directory) throws IOException {
        Object self = Files.getAttribute(Path.of("/proc/self"), "unix:uid");
        Object owner = Files.getAttribute(directory, "unix:uid");
        if (!owner.equals(self)) {
            throw new IOException(directory + " belongs to user " + owner + ", this is user " + self);
        }
        Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(directory);
        if (permissions.stream().anyMatch(WRITABLE_BY_OTHERS::contains)) {
            throw new IOException(directory + " can be written by other users ("
                    + PosixFilePermissions.toString(permissions) + "): chmod go-w it");
        }
    }

    /** Written aside and renamed: another JVM sees nothing or everything, and one that mapped an old file keeps it. */
    private static void write(byte[] content, Path directory, Path file) throws IOException {
        Path aside = null;
        try {
            aside = Files.createTempFile(
                    directory, file.getFileName() + ".", ".new", PosixFilePermissions.asFileAttribute(PRIVATE));
            Files.write(aside, content);
            Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (FileSystemException e) {
            throw explained(e);
        } finally {
            if (aside != null) {
                Files.deleteIfExists(aside);
            }
        }
    }

    /** File system exceptions have only the path as their message when the reason is their class. */
    private static IOException explained(FileSystemException e) {
        String reason = e.getClass().getSimpleName().replace("Exception", "");
        return new IOException("cannot be used: " + reason + " " + e.getMessage(), e);
    }

    private static byte[] sha256(byte[] content) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(content);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }
}
