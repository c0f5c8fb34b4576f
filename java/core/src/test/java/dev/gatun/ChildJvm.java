package dev.gatun;

import dev.gatun.bindings.NativeLibrary;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A JVM of its own, for what must not happen in the one that runs the tests. */
final class ChildJvm {
    /** How it ended and all that it printed. */
    record Result(int exit, String output) {}

    private ChildJvm() {}

    /** Starts one with these arguments to java. */
    static Process start(Path folder, List<String> arguments) throws IOException {
        return start(folder, arguments, Map.of());
    }

    private static Process start(Path folder, List<String> arguments, Map<String, String> environment)
            throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("--illegal-native-access=deny");
        command.add("-Dgatun.library.path=" + NativeLibrary.corePath());
        command.add("-XX:-CreateCoredumpOnCrash");
        command.add("-XX:ErrorFile=/dev/null");
        command.addAll(arguments);
        ProcessBuilder builder =
                new ProcessBuilder(command).directory(folder.toFile()).redirectErrorStream(true);
        builder.environment().putAll(environment);
        return builder.start();
    }

    /** Starts one and waits for its end. */
    static Result run(Path folder, List<String> arguments) throws IOException, InterruptedException {
        return run(folder, arguments, Map.of());
    }

    /** The same, with these variables in its environment. */
    static Result run(Path folder, List<String> arguments, Map<String, String> environment)
            throws IOException, InterruptedException {
        Process process = start(folder, arguments, environment);
        String output = new String(process.getInputStream().readAllBytes());
        if (!process.waitFor(60, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new IOException("the child does not end: " + output);
        }
        return new Result(process.exitValue(), output);
    }

    /** The arguments that run a class of these tests. */
    static List<String> main(Class<?> type, String... arguments) throws URISyntaxException {
        List<String> command = new ArrayList<>();
        command.add("--enable-native-access=ALL-UNNAMED");
        command.add("-cp");
        command.add(String.join(File.pathSeparator, place(type), place(Optimizer.class), place(NativeLibrary.class)));
        command.add(type.getName());
        command.addAll(List.of(arguments));
        return command;
    }

    /** The folder or jar that a class was loaded from. */
    static String place(Class<?> type) throws URISyntaxException {
        String file = type.getName().replace('.', '/') + ".class";
        URL url = type.getClassLoader().getResource(file);
        if (url.getProtocol().equals("jar")) {
            String jar = url.getPath();
            return Path.of(new URI(jar.substring(0, jar.indexOf('!')))).toString();
        }
        Path path = Path.of(url.toURI());
        for (int i = 0; i < file.split("/").length; i++) {
            path = path.getParent();
        }
        return path.toString();
    }
}
