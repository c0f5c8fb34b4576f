package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.bindings.NativeLibrary;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The README's example is what a stranger tries first: it compiles, runs, and leaves the checkpoint it speaks of. */
class ReadmeTest {
    @TempDir
    Path folder;

    @BeforeEach
    void extract() throws Exception {
        String readme = Files.readString(Path.of("../../README.md"));
        String example = Pattern.compile("```java\\n(.*?)```", Pattern.DOTALL)
                .matcher(readme)
                .results()
                .map(match -> match.group(1))
                .filter(code -> code.contains("Optimizer.of"))
                .findFirst()
                .orElseThrow();
        Files.writeString(folder.resolve("Example.java"), """
                import dev.gatun.*;
                import java.lang.foreign.*;
                import java.nio.file.Path;
                import java.util.List;

                void main() throws Exception {
                %s
                }
                """.formatted(example));
    }

    @Test
    void theExampleRunsOnTheClassPath() throws Exception {
        run("--enable-native-access=ALL-UNNAMED", "-cp", places());
    }

    @Test
    void theExampleRunsOnTheModulePath() throws Exception {
        run("--enable-native-access=dev.gatun.bindings", "--module-path", places(), "--add-modules", "dev.gatun");
    }

    private static String places() throws Exception {
        return ChildJvm.place(Optimizer.class) + File.pathSeparator + ChildJvm.place(NativeLibrary.class);
    }

    private void run(String... options) throws Exception {
        List<String> arguments = new ArrayList<>(List.of(options));
        arguments.add("Example.java");
        ChildJvm.Result result = ChildJvm.run(folder, arguments);
        assertThat(result.exit()).as(result.output()).isZero();
        Checkpoint checkpoint = Checkpoint.read(folder.resolve("run.safetensors"));
        assertThat(checkpoint.steps()).isPositive();
        assertThat(checkpoint.parameters()).isNotEmpty();
    }
}
