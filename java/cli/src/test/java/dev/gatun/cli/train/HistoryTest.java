package dev.gatun.cli.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.gatun.cli.BadInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HistoryTest {
    @TempDir
    private Path folder;

    private static History.Step step(long step, double training, boolean refused) {
        return new History.Step(
                step, 0.1 / step, training, step % 2 == 0 ? new Score(1 / 3.0, 0.75) : Score.NONE, 9, step, refused);
    }

    private static History history(int steps) {
        History history = new History();
        for (int i = 1; i <= steps; i++) {
            history.add(step(i, 1.0 / i, false));
        }
        return history;
    }

    @Test
    void timesAndLosses() {
        History history = history(5);
        assertThat(history.optimizerMs()).isEqualTo(3);
        assertThat(history.share()).isEqualTo(0.25);
        assertThat(history.seconds()).isEqualTo((5 * 9 + 15) / 1000.0, within(1e-12));
        assertThat(history.training()).isEqualTo((1 + 1 / 2.0 + 1 / 3.0 + 1 / 4.0 + 1 / 5.0) / 5, within(1e-12));
    }

    @Test
    void theTrainingLossIsOfTheLast100Steps() {
        History history = new History();
        for (int i = 1; i <= 300; i++) {
            history.add(step(i, i <= 200 ? 7 : 2, false));
        }
        assertThat(history.training()).isEqualTo(2);
    }

    @Test
    void csvReadsBackToTheLastBit() throws IOException {
        Path file = folder.resolve("steps.csv");
        Map<String, History> written = new LinkedHashMap<>();
        written.put("sgd", history(3));
        written.put("adamw", history(7));
        StepsCsv.write(file, written);
        assertThat(Files.readAllLines(file))
                .hasSize(11)
                .startsWith(
                        "optimizer,step,lr,training_bits,validation_bits,validation_accuracy,forward_backward_ms,optimizer_ms,refused",
                        "sgd,1,0.1,1.0,,,9.0,1.0,0",
                        "sgd,2,0.05,0.5,0.3333333333333333,0.75,9.0,2.0,0");
        Map<String, History> read = StepsCsv.read(file);
        assertThat(read.keySet()).containsExactly("sgd", "adamw");
        assertThat(read.get("adamw").steps()).isEqualTo(written.get("adamw").steps());
        assertThat(StepsCsv.read(folder.resolve("none.csv"))).isEmpty();
    }

    @Test
    void damagedCsvNamesTheLine() throws IOException {
        Path file = folder.resolve("steps.csv");
        Files.writeString(file, StepsCsv.HEADER + "\nsgd,1,0.1,1.0,,,9.0,1.0,0\nsgd,3,0.1,1.0,,,9.0,1.0,0\n");
        assertThatThrownBy(() -> StepsCsv.read(file))
                .isInstanceOf(BadInput.class)
                .hasMessageContaining("line 3: damaged");
    }

    @Test
    void divergedWithANaNOrWithNothingButRefusals() {
        History history = history(5);
        assertThat(history.diverged()).isFalse();
        for (int i = 6; i <= 24; i++) {
            history.add(step(i, 1, true));
        }
        assertThat(history.diverged()).isFalse();
        history.add(step(25, 1, true));
        assertThat(history.diverged()).isTrue();
        history.truncate(5);
        assertThat(history.diverged()).isFalse();
        history.add(step(6, Double.NaN, false));
        assertThat(history.diverged()).isTrue();
    }
}
