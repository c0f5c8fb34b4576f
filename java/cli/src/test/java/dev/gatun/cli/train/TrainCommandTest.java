package dev.gatun.cli.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.Checkpoint;
import dev.gatun.cli.Main;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The command as a user runs it, on a small text and a tiny model. */
class TrainCommandTest {
    @TempDir
    private static Path folder;

    private static Path text;

    private record Outcome(int code, String out, String err) {}

    /** Words in a random order: letters within a word are easy to learn, the next word is not. */
    static Path writeText(Path folder) throws IOException {
        String[] words = {"gatun ", "lock ", "lifts ", "ships ", "across ", "panama ", "in ", "steps\n"};
        Random random = new Random(3);
        StringBuilder text = new StringBuilder();
        while (text.length() < 40_000) {
            text.append(words[random.nextInt(words.length)]);
        }
        return Files.writeString(folder.resolve("words.txt"), text);
    }

    @BeforeAll
    static void text() throws IOException {
        text = writeText(folder);
    }

    private static Outcome train(String... arguments) {
        List<String> all = new ArrayList<>(List.of("train"));
        all.addAll(List.of(arguments));
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        CommandLine command = Main.commandLine().setOut(new PrintWriter(out)).setErr(new PrintWriter(err));
        int code = command.execute(all.toArray(String[]::new));
        return new Outcome(code, out.toString(), err.toString());
    }

    @Test
    void trainsAndShowsWhatItDid() throws IOException {
        Path out = folder.resolve("run");
        Outcome outcome = train(
                "--data",
                text.toString(),
                "--model",
                "8,8,32,1",
                "--steps",
                "200",
                "--batch",
                "32",
                "--optimizers",
                "sgd(lr=0.3, momentum=0.9); adamw(lr=0.01)",
                "--djl-adamw",
                "--out",
                out.toString());
        assertThat(outcome.code()).as(outcome.err()).isZero();
        // Not a terminal: plain lines, nothing that moves a cursor or colours.
        assertThat(outcome.err()).contains("adamw: step 200 of 200, loss ").doesNotContain("\r", "\u001b");
        assertThat(outcome.out())
                .contains("lines to beat, in bits per character: trigram counts ")
                .contains("optimizer", "validation", "share of step")
                .contains("sgd(lr=0.3, momentum=0.9)", "adamw(lr=0.01)", "DJL's own adamw(lr=0.01)")
                .contains("to beat: bigram counts");

        List<String> steps = Files.readAllLines(out.resolve("steps.csv"));
        assertThat(steps).hasSize(1 + 3 * 200).startsWith(StepsCsv.HEADER);
        assertThat(steps.get(200)).startsWith("sgd,200,");
        History adamw = StepsCsv.read(out.resolve("steps.csv")).get("adamw");
        History djl = StepsCsv.read(out.resolve("steps.csv")).get("djl-adamw");
        // 22 characters at first: log2(22) = 4.46 bits. A learner gets far below the bigram's 2 bits.
        assertThat(adamw.steps().getFirst().training()).isBetween(3.5, 5.5);
        assertThat(adamw.training()).isLessThan(1.5);
        // Same weights, same batch, before anything was updated.
        assertThat(djl.steps().getFirst().training())
                .isEqualTo(adamw.steps().getFirst().training());
        // The same arithmetic by other hands: equal but for rounding, which grows over the steps.
        assertThat(djl.steps().get(20).training())
                .isBetween(
                        adamw.steps().get(20).training() - 0.01,
                        adamw.steps().get(20).training() + 0.01);

        assertThat(Checkpoint.read(out.resolve("adamw.safetensors")).optimizer())
                .contains("adamw(lr=0.01)");
        assertThat(ImageIO.read(out.resolve("loss.png").toFile()).getWidth()).isEqualTo(1100);
        assertThat(ImageIO.read(out.resolve("accuracy.png").toFile()).getWidth())
                .isEqualTo(1100);
        assertThat(Files.readString(out.resolve("report.md")))
                .contains("![Losses over the steps](loss.png)", "![Validation accuracy over the steps](accuracy.png)")
                .contains(
                        "* **sgd**: stochastic gradient descent",
                        "* **DJL's own adamw**: Adam with",
                        "arXiv 1711.05101")
                .contains("| adamw(lr=0.01) | [adamw.safetensors](adamw.safetensors) | `")
                .contains("--steps 200 --batch 32 --seed 7");

        // A finished run resumed: nothing is trained, everything is said again.
        String report = Files.readString(out.resolve("report.md"));
        Outcome again = train("--resume", "--out", out.toString());
        assertThat(again.code()).as(again.err()).isZero();
        assertThat(again.err()).contains("adamw: goes on after step 200 of 200").doesNotContain("loss");
        assertThat(Files.readString(out.resolve("report.md"))).isEqualTo(report);

        Outcome taken = train("--data", text.toString(), "--out", out.toString());
        assertThat(taken.code()).isEqualTo(2);
        assertThat(taken.err()).contains("there is a run in it; go on with it by --resume");

        Outcome conflict = train("--resume", "--out", out.toString(), "--steps", "9");
        assertThat(conflict.code()).isEqualTo(2);
        assertThat(conflict.err()).contains("leave out --steps");
    }

    @Test
    void divergenceIsSaid() {
        Outcome outcome = train(
                "--data", text.toString(),
                "--model", "8,8,32,2",
                "--steps", "300",
                "--batch", "32",
                "--optimizers", "sgd(lr=1e30)",
                "--out", folder.resolve("diverged").toString());
        assertThat(outcome.code()).isZero();
        assertThat(outcome.out()).contains("sgd(lr=1e30) diverged at step ").contains("lower its learning rate");
    }

    @Test
    void badInputIsOneLineAndCode2() throws IOException {
        Path small = Files.writeString(folder.resolve("small.txt"), "too little");
        fails(2, "no such file", "--data", folder.resolve("none.txt").toString());
        fails(2, "too little text", "--data", small.toString());
        fails(2, "--steps -1: pass a number", "--steps", "-1");
        fails(2, "--threads -1", "--threads", "-1");
        fails(2, "adamw", "--optimizers", "adamv(lr=1)");
        fails(2, "--model medium", "--model", "medium");
        fails(2, "--quick and --steps 9 contradict", "--quick", "--steps", "9");
        fails(2, "pass --data DIR with the files of MNIST", "--task", "images");
        fails(2, "no images; pass a folder with", "--task", "images", "--data", folder.toString());
        fails(2, "no such folder", "--task", "images", "--data", small.toString());
        fails(2, "no run in it", "--resume", "--out", folder.resolve("nothing").toString());
        fails(
                2,
                "cannot be created",
                "--data",
                text.toString(),
                "--out",
                small.resolve("below").toString());
    }

    @Test
    void cudaIsRefusedWithTheReasonAndCode3() {
        Outcome outcome = train("--device", "cuda", "--data", text.toString());
        assertThat(outcome.code()).isEqualTo(3);
        assertThat(outcome.err().lines()).hasSize(1);
        assertThat(outcome.err()).containsIgnoringCase("cuda");
    }

    private static void fails(int code, String message, String... arguments) {
        Outcome outcome = train(arguments);
        assertThat(outcome.code()).as(outcome.err()).isEqualTo(code);
        assertThat(outcome.err()).contains(message);
        assertThat(outcome.err().lines()).hasSize(1);
        assertThat(outcome.out()).isEmpty();
    }
}
