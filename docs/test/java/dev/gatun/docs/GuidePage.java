package dev.gatun.docs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/**
 * A page of the user guide. Every block marked as java on it is a whole program, and is run as a reader would run it: by
 * the java launcher, in a JVM of its own. The modules whose classes a page uses have its test.
 */
public final class GuidePage {
    private static final Path ROOT = Path.of(System.getProperty("gatun.root"));

    private final String name;
    private final List<String> programs;

    private GuidePage(String name, List<String> programs) {
        this.name = name;
        this.programs = programs;
    }

    /** Reads a page of docs/. */
    public static GuidePage read(String name) throws IOException {
        List<String> programs = Pattern.compile("```java\\n(.*?)```", Pattern.DOTALL)
                .matcher(Files.readString(ROOT.resolve("docs").resolve(name)))
                .results()
                .map(match -> match.group(1))
                .toList();
        return new GuidePage(name, programs);
    }

    /** How many programs it has. */
    public int programs() {
        return programs.size();
    }

    /**
     * Runs a program in a folder, with a class path or that of the test, and answers what it printed.
     *
     * @throws AssertionError with its output, if it fails
     */
    public String run(int program, Path folder) throws IOException, InterruptedException {
        return run(
                program,
                folder,
                System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
    }

    /** As {@link #run(int, Path)}, where tests run on the module path. */
    public String run(int program, Path folder, String classPath) throws IOException, InterruptedException {
        Path file = folder.resolve("Program" + program + ".java");
        Files.writeString(file, programs.get(program));
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("--enable-native-access=ALL-UNNAMED");
        command.add("--illegal-native-access=deny");
        command.add("-Dgatun.library.path=" + System.getProperty("gatun.library.path"));
        command.add("-cp");
        command.add(classPath);
        command.add(file.getFileName().toString());
        Path output = folder.resolve("output" + program);
        Process process = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        boolean ended = process.waitFor(300, TimeUnit.SECONDS);
        if (!ended) {
            process.destroyForcibly();
        }
        if (!ended || process.exitValue() != 0) {
            throw new AssertionError("program " + program + " of docs/" + name + (ended ? " failed" : " does not end")
                    + ":\n" + Files.readString(output));
        }
        return Files.readString(output);
    }
}
