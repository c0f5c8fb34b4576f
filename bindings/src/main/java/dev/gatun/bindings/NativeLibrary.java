package dev.gatun.bindings;

import java.io.IOException;
import java.lang.foreign.SymbolLookup;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Finds libgatun.so and loads it once.
 *
 * <p>When {@code -Dgatun.library.path} is set, to the file or its folder, that is the only place tried. Otherwise the
 * library comes from the natives jar on the class path, through a folder named by the content's SHA-256 in
 * {@code -Dgatun.cache.dir}, else {@code $XDG_CACHE_HOME/gatun}, else {@code ~/.cache/gatun}; where that cannot be used,
 * through a private temporary folder. {@code java.library.path} is never looked at: what lies there by accident is not
 * what these bindings were made for.
 *
 * <p>The generated code finds symbols in libraries that a class of its own class loader has loaded: that is why the
 * loader is in this module.
 */
public final class NativeLibrary {
    /** The library or its folder; when set, the only place tried. */
    public static final String PATH_PROPERTY = "gatun.library.path";
    /** Where copies of the jar's libraries are kept. */
    public static final String CACHE_PROPERTY = "gatun.cache.dir";

    static final String CORE = "libgatun.so";
    static final String CUDA = "libgatun_cuda.so";
    static final String CORE_RESOURCE = "META-INF/native/linux-x86_64/" + CORE;
    static final String CUDA_RESOURCE = "META-INF/native/linux-x86_64-cuda13/" + CUDA;

    private record Found(Path path, String origin) {}

    private static Found core;
    private static String failure;
    private static Path cuda;
    private static String noCuda;

    private NativeLibrary() {}

    /**
     * Loads the library if this has not happened yet.
     *
     * @throws UnsatisfiedLinkError with every attempt and what the dynamic linker said to it; again at every call
     */
    public static synchronized void ensureLoaded() {
        if (core == null && failure == null) {
            try {
                core = find();
            } catch (UnsatisfiedLinkError e) {
                failure = e.getMessage();
            }
        }
        if (failure != null) {
            throw new UnsatisfiedLinkError(failure);
        }
    }

    /** The file that was loaded. */
    public static Path corePath() {
        ensureLoaded();
        return core.path();
    }

    /** How that file was found, for people to read. */
    public static String origin() {
        ensureLoaded();
        return core.origin();
    }

    /**
     * The CUDA backend that belongs to the library. The file need not exist: {@link #whyNoCuda} says so then. It is
     * copied out of its jar when first asked for.
     */
    public static synchronized Path cudaPath() {
        ensureLoaded();
        if (cuda == null) {
            findCuda();
        }
        return cuda;
    }

    /** Why there is no library at {@link #cudaPath}, or not a whole one; empty when there is. */
    public static synchronized Optional<String> whyNoCuda() {
        cudaPath();
        return Optional.ofNullable(noCuda);
    }

    private static Found find() {
        String given = System.getProperty(PATH_PROPERTY);
        List<String> attempts = new ArrayList<>();
        if (given != null) {
            Path path = Path.of(given).toAbsolutePath();
            if (Files.isDirectory(path)) {
                path = path.resolve(CORE);
            }
            String reason = tryLoad(path);
            if (reason == null) {
                return new Found(path, "-D" + PATH_PROPERTY + "=" + given);
            }
            attempts.add("-D" + PATH_PROPERTY + "=" + given + ", the only place tried as it is set: " + reason);
            throw notLoaded(attempts, "pass a folder that ./build-native.sh has filled");
        }
        URL resource = resource(CORE_RESOURCE);
        if (!platform().equals("linux-x86_64")) {
            attempts.add("this is " + platform() + ", and the libraries are built for linux-x86_64 only");
        } else if (resource == null) {
            attempts.add("no " + CORE_RESOURCE + " on the class path");
        } else {
            for (LibraryCache cache : LibraryCache.places()) {
                try {
                    Path path = cache.store(resource, CORE);
                    String reason = tryLoad(path);
                    if (reason == null) {
                        return new Found(path, "copied from " + resource);
                    }
                    attempts.add(path + ", copied from " + resource + ": " + reason);
                } catch (IOException e) {
                    attempts.add(cache.describe() + ": " + e.getMessage());
                }
            }
        }
        throw notLoaded(
                attempts,
                "put the jar dev.gatun:gatun-natives with classifier linux-x86_64 on the class path, or pass -D"
                        + PATH_PROPERTY + "=<folder filled by ./build-native.sh>, or -D" + CACHE_PROPERTY
                        + "=<folder to which this user may write and from which it may execute>");
    }

    private static void findCuda() {
        URL resource = System.getProperty(PATH_PROPERTY) == null ? resource(CUDA_RESOURCE) : null;
        cuda = core.path().resolveSibling(CUDA);
        if (resource != null) {
            List<String> attempts = new ArrayList<>();
            for (LibraryCache cache : LibraryCache.places()) {
                try {
                    cuda = cache.store(resource, CUDA);
                    return;
                } catch (IOException e) {
                    attempts.add(cache.describe() + ": " + e.getMessage());
                }
            }
            noCuda = "cannot copy the CUDA backend out of " + resource + ": " + String.join("; ", attempts);
        } else if (!Files.exists(cuda)) {
            noCuda = System.getProperty(PATH_PROPERTY) != null
                    ? "there is no " + cuda + ": build it with ./build-native.sh --cuda=on (needs nvcc)"
                    : "there is no " + CUDA_RESOURCE + " on the class path: add the jar dev.gatun:gatun-natives with"
                            + " classifier linux-x86_64-cuda13";
        } else {
            noCuda = ElfFile.fault(cuda);
        }
    }

    /** Loads the file; the reason if that fails, else null. */
    private static String tryLoad(Path path) {
        if (!Files.isRegularFile(path)) {
            return path + (Files.exists(path) ? " is not a file" : " does not exist");
        }
        String fault = ElfFile.fault(path);
        if (fault != null) {
            return fault;
        }
        try {
            System.load(path.toString());
        } catch (UnsatisfiedLinkError e) {
            return e.getMessage();
        } catch (IllegalCallerException e) {
            String modules = NativeLibrary.class.getModule().isNamed() ? "dev.gatun,dev.gatun.bindings" : "ALL-UNNAMED";
            throw notLoaded(List.of(path + ": " + e.getMessage()), "start java with --enable-native-access=" + modules);
        }
        // Asked through the lookup first: a library without this function is not Gatun's, and should be named.
        if (SymbolLookup.loaderLookup().find("gatun_abi_version").isEmpty()) {
            return path + " is not Gatun's library: it has no function gatun_abi_version";
        }
        int version = GatunC.gatun_abi_version();
        if (version != GatunC.GATUN_ABI_VERSION()) {
            return path + " has ABI version " + version + ", these bindings were made for " + GatunC.GATUN_ABI_VERSION()
                    + ": use a library and jars that were built together";
        }
        return null;
    }

    private static UnsatisfiedLinkError notLoaded(List<String> attempts, String remedy) {
        return new UnsatisfiedLinkError("cannot load Gatun's native library on " + platform() + " (Java "
                + Runtime.version() + "):\n  - " + String.join("\n  - ", attempts) + "\nTo do: " + remedy);
    }

    private static URL resource(String name) {
        return NativeLibrary.class.getClassLoader().getResource(name);
    }

    /** As in the natives jars' classifiers. */
    static String platform() {
        String os = System.getProperty("os.name");
        String arch = System.getProperty("os.arch");
        return (os.equals("Linux") ? "linux" : os) + "-" + (arch.equals("amd64") ? "x86_64" : arch);
    }
}
