package dev.gatun.cli.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.cli.Main;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** {@code train --task images} as a user runs it, on small files. */
class ImageTrainTest {
    @TempDir
    private Path folder;

    private static String train(Path data, Path out, String... more) {
        StringWriter said = new StringWriter();
        CommandLine command =
                Main.commandLine().setOut(new PrintWriter(said)).setErr(new PrintWriter(new StringWriter()));
        String[] arguments = {"train", "--task", "images", "--data", data.toString(), "--out", out.toString()};
        String[] all = new String[arguments.length + more.length];
        System.arraycopy(arguments, 0, all, 0, arguments.length);
        System.arraycopy(more, 0, all, arguments.length, more.length);
        assertThat(command.execute(all)).as(said.toString()).isZero();
        return said.toString();
    }

    /** Eight classes, so guessing is right in 12 of 100; each default optimizer learns with its default rate. */
    @Test
    void everyDefaultOptimizerLearns() throws IOException {
        Path data = ImageFiles.mnist(folder.resolve("data"), 1000, 300, 12, 10, 8, true);
        Path out = folder.resolve("run");
        String said = train(data, out, "--model", "8,16,32", "--steps", "150", "--batch", "32");
        assertThat(said)
                .contains("images: " + data + ": 900 of 12 x 10 to train on, 8 classes")
                .contains("lines to beat, in bits per image: class frequencies 3.0")
                .contains("convolutions of 8 and 16 filters, dense layer of 32");
        Map<String, History> histories = StepsCsv.read(out.resolve("steps.csv"));
        assertThat(histories.keySet())
                .containsExactlyElementsOf(
                        Entry.parse(LearningRates.of(ConvShape.DEFAULT).optimizers(), false).stream()
                                .map(Entry::name)
                                .toList());
        histories.forEach((name, history) -> {
            Score last = history.steps().getLast().validation();
            assertThat(last.accuracy()).as(name).isGreaterThan(0.6);
            assertThat(last.bits()).as(name).isLessThan(2);
        });
        assertThat(Files.readString(out.resolve("report.md")))
                .contains("| images | " + data + ": 12 x 10, 8 classes |")
                .contains("| number of them | 900 training, 100 validation, 300 test;")
                .contains("--task images --model 8,16,32 --data '" + data + "'");
    }

    /** Three channels, two files, and images that pooling cannot halve for ever. */
    @Test
    void cifarAndTinyImages() throws IOException {
        Path cifar = ImageFiles.cifar(folder.resolve("cifar"), 40, 10);
        train(cifar, folder.resolve("one"), "--model", "4,8", "--steps", "3", "--optimizers", "adamw");
        Path tiny = ImageFiles.mnist(folder.resolve("tiny"), 60, 10, 1, 3, 2, false);
        train(tiny, folder.resolve("two"), "--model", "4,4,4,8", "--steps", "3", "--optimizers", "sing(adamw)");
        assertThat(folder.resolve("two/accuracy.png")).isNotEmptyFile();
    }
}
