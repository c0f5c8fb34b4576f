package dev.gatun.cli.train;

import ai.djl.engine.Engine;
import ai.djl.pytorch.jni.JniUtils;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;

/** Starts DJL's PyTorch engine: the forward and backward passes. */
final class Framework {
    private Framework() {}

    /**
     * Loads the engine; its native libraries come from a jar and are unpacked at the first start.
     *
     * @param threads CPU threads, 0 for the framework's own choice
     * @return name and versions
     * @throws UnsatisfiedLinkError if the engine does not start, with the reason
     */
    static String start(int threads, PrintWriter err) {
        // Before the first class of DJL is touched. Without the first line it may look for other libraries in the
        // network.
        set("ai.djl.offline", "true");
        set("OPT_OUT_TRACKING", "true");
        set("org.slf4j.simpleLogger.defaultLogLevel", "warn");
        // That there is no GPU is no warning: the passes are asked of the CPU.
        set("org.slf4j.simpleLogger.log.ai.djl.util.cuda.CudaUtils", "error");
        if (threads > 0) {
            set("ai.djl.pytorch.num_threads", Integer.toString(threads));
        }
        Path cache = cache();
        if (!Files.isDirectory(cache)) {
            err.println("unpacking PyTorch's libraries into " + cache + " (once, 430 MB)");
            err.flush();
        }
        try {
            Engine engine = Engine.getEngine("PyTorch");
            if (threads > 0) {
                JniUtils.setNumThreads(threads); // the property counts only for who starts the engine first
            }
            return "PyTorch %s by DJL %s, %d threads"
                    .formatted(engine.getVersion(), Engine.getDjlVersion(), JniUtils.getNumThreads());
        } catch (RuntimeException | LinkageError failed) {
            Throwable root = failed;
            while (root.getCause() != null) {
                root = root.getCause();
            }
            LinkageError error = new UnsatisfiedLinkError("DJL's PyTorch engine does not start: " + root
                    + "; it needs Linux x86-64 with glibc 2.28 or newer, and 430 MB in " + cache + " (DJL_CACHE_DIR)");
            error.initCause(failed);
            throw error;
        }
    }

    private static Path cache() {
        String folder = System.getProperty("DJL_CACHE_DIR", System.getenv("DJL_CACHE_DIR"));
        return (folder != null ? Path.of(folder) : Path.of(System.getProperty("user.home"), ".djl.ai"))
                .resolve("pytorch");
    }

    /** What the user has set stays. */
    private static void set(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }
}
