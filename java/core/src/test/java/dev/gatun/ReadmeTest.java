package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.bindings.NativeLibrary;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The README's example is what a stranger tries first: it compiles, runs, and leaves the checkpoint it speaks of. */
class ReadmeTest {
    @TempDir
    Path folder;

    @Test
    void theExampleRuns() throws Exception {
        String readme = Files.readString(Path.of("../../README.md"));
        Matcher block = Pattern.compile("```java\\n(.*?)```", Pattern.DOTALL).matcher(readme);
        String example = block.results()
                .map(match -> match.group(1))
                .filter(code -> code.contains("Optimizer.of"))
                .findFirst()
                .orElseThrow();
        Path source = folder.resolve("Example.java");
        Files.writeString(source, """
                import dev.gatun.*;
                import java.lang.foreign.*;
                import java.nio.file.Path;
                import java.util.List;

                void main() throws Exception {
                %s
                }
                """.formatted(example));
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "--illegal-native-access=deny",
                        "-Dgatun.library.path=" + NativeLibrary.corePath(),
                        "-cp",
                        place(Optimizer.class) + File.pathSeparator + place(NativeLibrary.class),
                        source.toString())
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes());
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as(output).isZero();
        Checkpoint checkpoint = Checkpoint.read(folder.resolve("run.safetensors"));
        assertThat(checkpoint.steps()).isPositive();
        assertThat(checkpoint.parameters()).isNotEmpty();
    }

    private static String place(Class<?> type) throws Exception {
        return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI())
                .toString();
    }
}
