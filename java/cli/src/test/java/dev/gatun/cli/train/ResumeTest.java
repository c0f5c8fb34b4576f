package dev.gatun.cli.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.gatun.Checkpoint;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Interrupted by a signal and resumed in another process, a run ends with the bits of one that was never stopped. */
class ResumeTest {
    private static final Pattern SHA256 = Pattern.compile("\\.safetensors\\) \\| `([0-9a-f]{64})`");

    @TempDir
    private Path folder;

    private static Process start(Path log, String... arguments) throws IOException {
        return new ProcessBuilder(command(arguments))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
    }

    private static List<String> command(String... arguments) {
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
        return command;
    }

    /** Text with dense layers, and images with convolutions; what is resumed goes on with one thread. */
    static Stream<Arguments> tasks() {
        return Stream.of(
                Arguments.of("text", "--model 8,8,64,2 --steps 800 --batch 64"),
                Arguments.of("images", "--model 8,16,32 --steps 800 --batch 32"));
    }

    private String[] settings(Path text, Path out) {
        return new String[] {
            "--data", text.toString(),
            "--model", "8,8,64,2",
            "--steps", "800",
            "--batch", "64",
            "--optimizers", "adamw(lr=0.003); sing(lr=0.01)",
            "--out", out.toString()
        };
    }

    private Path data(String task) throws IOException {
        return task.equals("text")
                ? TrainCommandTest.writeText(folder)
                : ImageFiles.mnist(folder.resolve("images"), 300, 50, 12, 10, 6, false);
    }

    private static String[] words(String task, Path data, String sizes, Path out, String threads) {
        List<String> words = new ArrayList<>(List.of("--task", task, "--data", data.toString()));
        words.addAll(List.of(sizes.split(" ")));
        words.addAll(List.of("--optimizers", "adamw(lr=0.003); insgd(lr=0.1, input_beta=0.9)", "--threads", threads));
        words.addAll(List.of("--out", out.toString()));
        return words.toArray(String[]::new);
    }

    @ParameterizedTest
    @MethodSource("tasks")
    void endsWithTheSameBits(String task, String sizes) throws Exception {
        Path data = data(task);
        Path straight = folder.resolve("straight");
        Path log = folder.resolve("log");
        assertThat(start(log, words(task, data, sizes, straight, "2")).waitFor())
                .as(Files.readString(log))
                .isZero();

        Path broken = folder.resolve("broken");
        Process process = start(log, words(task, data, sizes, broken, "2"));
        awaitCheckpoint(broken, process);
        process.destroy(); // SIGTERM, which the JVM treats as it treats Ctrl-C
        assertThat(process.waitFor()).as(Files.readString(log)).isEqualTo(128 + 15);
        assertThat(Files.readString(log))
                .contains("stopped at step ", " of 800 of adamw; go on with: ./gatun train --resume");
        assertThat(broken.resolve("report.md")).doesNotExist();

        assertThat(start(log, "--resume", "--threads", "1", "--out", broken.toString())
                        .waitFor())
                .as(Files.readString(log))
                .isZero();
        assertThat(Files.readString(log)).contains("adamw: goes on after step ");
        assertThat(hashes(broken)).hasSize(2).isEqualTo(hashes(straight));
        assertThat(losses(broken)).isEqualTo(losses(straight));
    }

    /** The first checkpoint appears at step 40: training is under way, and far from its end. */
    private static void awaitCheckpoint(Path run, Process process) throws InterruptedException {
        long patience = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (!Files.exists(run.resolve("adamw.safetensors")) && process.isAlive()) {
            assertThat(System.nanoTime()).as("no checkpoint in a minute").isLessThan(patience);
            Thread.sleep(5);
        }
    }

    /** On a terminal, since a library that draws there may take SIGINT away from the JVM: JLine does. */
    @Test
    void ctrlCOnATerminalSavesACheckpoint() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/script")), "needs script, from util-linux, to make a terminal");
        Path text = TrainCommandTest.writeText(folder);
        Path run = folder.resolve("run");
        Path log = folder.resolve("log");
        // What runs in the background of a script ignores SIGINT, and so does everything it starts, JVMs included.
        String shell = command(settings(text, run)).stream()
                .map(word -> "'" + word + "'")
                .collect(Collectors.joining(" ", "exec env --default-signal=INT ", ""));
        Process process = new ProcessBuilder("/usr/bin/script", "-qefc", shell, "/dev/null")
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        awaitCheckpoint(run, process);
        try (OutputStream keyboard = process.getOutputStream()) {
            keyboard.write(3);
            keyboard.flush();
            assertThat(process.waitFor()).as(Files.readString(log)).isEqualTo(128 + 2);
        }
        // A bar, since it is a terminal, and then the words.
        assertThat(Files.readString(log)).contains("\radamw ").contains("stopped at step ");
        assertThat(Checkpoint.read(run.resolve("adamw.safetensors")).steps()).isBetween(40L, 799L);
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
