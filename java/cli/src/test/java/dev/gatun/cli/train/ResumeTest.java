package dev.gatun.cli.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Interrupted by a signal and resumed in another process, a run ends with the bits of one that was never stopped. */
class ResumeTest {
    private static final Pattern SHA256 = Pattern.compile("\\.safetensors\\) \\| `([0-9a-f]{64})`");

    @TempDir
    private Path folder;

    private Process start(Path log, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "--enable-native-access=ALL-UNNAMED",
                "--illegal-native-access=deny",
                "-cp",
                System.getProperty("java.class.path")));
        String library = System.getProperty("gatun.library.path");
        if (library != null) {
            command.add("-Dgatun.library.path=" + library);
        }
        command.add("dev.gatun.cli.Main");
        command.add("train");
        command.addAll(List.of(arguments));
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
    }

    private String[] settings(Path text, Path out) {
        return new String[] {
            "--data", text.toString(),
            "--model", "8,8,64,2",
            "--steps", "1500",
            "--batch", "64",
            "--optimizers", "adamw(lr=0.003); sing(lr=0.01)",
            "--out", out.toString()
        };
    }

    @Test
    void endsWithTheSameBits() throws Exception {
        Path text = TrainCommandTest.writeText(folder);
        Path straight = folder.resolve("straight");
        Path log = folder.resolve("log");
        assertThat(start(log, settings(text, straight)).waitFor())
                .as(Files.readString(log))
                .isZero();

        Path broken = folder.resolve("broken");
        Process process = start(log, settings(text, broken));
        // The first checkpoint appears at step 75: training is under way, and far from its end.
        long patience = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (!Files.exists(broken.resolve("adamw.safetensors")) && process.isAlive()) {
            assertThat(System.nanoTime()).as("no checkpoint in a minute").isLessThan(patience);
            Thread.sleep(5);
        }
        process.destroy(); // SIGTERM, which the JVM treats as it treats Ctrl-C
        assertThat(process.waitFor()).as(Files.readString(log)).isEqualTo(128 + 15);
        assertThat(Files.readString(log))
                .contains("stopped at step ", " of 1,500 of adamw; go on with: gatun train --resume");
        assertThat(broken.resolve("report.md")).doesNotExist();

        assertThat(start(log, "--resume", "--out", broken.toString()).waitFor())
                .as(Files.readString(log))
                .isZero();
        assertThat(Files.readString(log)).contains("adamw: goes on after step ");
        assertThat(hashes(broken)).hasSize(2).isEqualTo(hashes(straight));
        assertThat(losses(broken)).isEqualTo(losses(straight));
    }

    private static List<String> hashes(Path run) throws IOException {
        String report = Files.readString(run.resolve("report.md"));
        return SHA256.matcher(report)
                .results()
                .map((MatchResult hit) -> hit.group(1))
                .toList();
    }

    /** Every training and validation loss, to the last bit. */
    private static List<String> losses(Path run) throws IOException {
        return StepsCsv.read(run.resolve("steps.csv")).values().stream()
                .flatMap(history -> history.steps().stream())
                .map(step -> step.step() + " " + step.training() + " " + step.validation())
                .toList();
    }
}
