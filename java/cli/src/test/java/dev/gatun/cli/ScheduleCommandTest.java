package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.image.BufferedImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ScheduleCommandTest {
    @TempDir
    private Path folder;

    @Test
    void printsKeyPointsAndASketch() {
        Run run = Run.of("schedule", "warmup(5%)+constant(60%)+cosine", "--steps", 1000, "--lr", 0.005);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out().lines())
                .contains(
                        "warmup(50)+constant(600)+cosine(1000), 1,000 steps, learning rate 0.005",
                        "          1         0.0001  first",
                        "         50          0.005  warmup(50) ends, highest",
                        "         51          0.005  constant(600) begins",
                        "        250          0.005  25 %",
                        "        650          0.005  constant(600) ends",
                        "        651          0.005  cosine(1000) begins",
                        "        750     0.00407621  75 %",
                        "      1,000      1.0071E-7  cosine(1000) ends, last, lowest");
        List<String> sketch =
                run.out().lines().filter(line -> line.contains(" |")).toList();
        assertThat(sketch).hasSize(12);
        assertThat(sketch.getFirst()).matches(" +0\\.005 \\| {3}\\*{48}");
        assertThat(sketch.getLast()).startsWith("            0 |*").endsWith("***");
    }

    @Test
    void csvHasEveryStep() {
        Run run = Run.of("schedule", "step(2, 0.5)", "--steps", 5, "--csv");
        assertThat(run.out().lines()).containsExactly("step,lr", "1,1.0", "2,1.0", "3,0.5", "4,0.5", "5,0.25");
        assertThat(run.err()).isEmpty();
    }

    @Test
    void aPlateauSaysThatItWaits() {
        assertThat(Run.of("schedule", "warmup(3)+plateau", "--steps", 9).out()).contains("plateau waits for a metric");
        Run csv = Run.of("schedule", "plateau", "--steps", 2, "--csv");
        assertThat(csv.out().lines()).hasSize(3);
        assertThat(csv.err()).contains("plateau waits for a metric");
    }

    @ParameterizedTest
    @CsvSource({"onecycle, 1", "constant, 2", "cosine(10), 100000", "exponential(0.5), 5000", "warmup(0)+constant, 7"})
    void drawsAnything(String specification, int steps) throws Exception {
        Path png = folder.resolve("schedule.png");
        Run run = Run.of("schedule", specification, "--steps", steps, "--png", png);
        assertThat(run.code()).as(run.err()).isZero();
        BufferedImage image = ImageIO.read(Files.newInputStream(png));
        assertThat(image.getWidth()).isEqualTo(1100);
        assertThat(image.getHeight()).isEqualTo(560);
        assertThat(run.out()).doesNotContain("NaN", "null");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "cosin               | there is no schedule 'cosin': did you mean 'cosine'?",
                "step(1, 2)          | the learning rate at step 1025 is Infinity",
                "cosine --steps 0    | --steps 0: pass a number from 1",
                "cosine --lr -1      | --lr -1.0: pass a number >= 0",
                "cosine --lr NaN     | --lr NaN: pass a number >= 0",
                "cosine --png /none/x.png | the directory /none is not there",
            })
    void wrongUseIsOneLine(String line, String reason) {
        String[] words = line.startsWith("step") ? new String[] {line, "--steps", "2000"} : line.split(" ");
        Object[] arguments = new Object[words.length + 1];
        arguments[0] = "schedule";
        System.arraycopy(words, 0, arguments, 1, words.length);
        Run run = Run.of(arguments);
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err().lines()).hasSize(1).first().asString().contains(reason);
    }
}
