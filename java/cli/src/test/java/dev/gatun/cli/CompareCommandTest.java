package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CompareCommandTest {
    private static final Path ADAM = Run.TRACES.resolve("adam.safetensors");

    @TempDir
    private Path folder;

    /** Of all that is tried, the optimizer and the rate that recorded a trace come out first, and nearly exact. */
    @Test
    void theRecordedOptimizerRanksFirst() throws IOException {
        Path json = folder.resolve("result.json");
        Path png = folder.resolve("result.png");
        Run run = Run.of(
                "compare",
                ADAM,
                "--optimizers",
                "sgd(lr=0.01); adamw(lr=0.01, weight_decay=0.01); adam(lr=0.01, weight_decay=0.01)",
                "--times",
                "0.5,1,2",
                "--dtype",
                "f64",
                "--json",
                json,
                "--png",
                png);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.err()).contains("9 of 9: adam(lr=0.02, weight_decay=0.01)");
        assertThat(run.out().lines().skip(3).findFirst().orElseThrow())
                .startsWith("   1  adam(lr=0.01, weight_decay=0.01)");
        JsonObject result = Run.json(json).getAsJsonObject();
        assertThat(result.get("recorded_with").getAsString()).isEqualTo("adam(lr=0.01, weight_decay=0.01)");
        List<JsonElement> rows = result.getAsJsonArray("results").asList();
        assertThat(rows).hasSize(9);
        List<Double> errors = new ArrayList<>();
        rows.forEach(row -> errors.add(row.getAsJsonObject().get("result").getAsDouble()));
        assertThat(errors).isSorted();
        assertThat(errors.get(0)).isLessThan(1e-12);
        assertThat(errors.get(1)).isGreaterThan(1e-3);
        BufferedImage image = ImageIO.read(Files.newInputStream(png));
        assertThat(image.getWidth()).isEqualTo(1100);
    }

    /** A cell is a replay: the same error. */
    @Test
    void errorsAreThoseOfReplay() throws IOException {
        Path replayed = folder.resolve("replay.json");
        Path compared = folder.resolve("compare.json");
        Run.of("replay", ADAM, "--optimizer", "radam(lr=0.02)", "--json", replayed);
        Run.of("compare", ADAM, "--optimizers", "radam", "--rates", "0.02", "--json", compared);
        double error = Run.json(replayed).getAsJsonObject().get("max_error").getAsDouble();
        JsonObject row = Run.json(compared)
                .getAsJsonObject()
                .getAsJsonArray("results")
                .get(0)
                .getAsJsonObject();
        assertThat(row.get("result").getAsDouble()).isEqualTo(error);
        assertThat(row.get("optimizer").getAsString()).isEqualTo("radam(lr=0.02)");
    }

    @Test
    void aTraceAloneIsComparedWithItsOwnOptimizer() {
        Run run = Run.of("compare", Run.TRACES.resolve("nsgd_layer.safetensors"));
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out().lines().filter(line -> line.contains("nsgd(lr=0.")))
                .hasSize(4);
        assertThat(run.out().lines().skip(3).findFirst().orElseThrow()).contains("nsgd(lr=0.01, scope=layer)");
    }

    /** Rates in a trace are a schedule: the rate tried is their largest. */
    @Test
    void ratesInATraceKeepTheirShape() throws IOException {
        Path trace = TraceFile.sgd()
                .with("lr", 0.5, 0.25)
                .with("expect/2/a", -0.125, 3)
                .write(folder);
        Path json = folder.resolve("result.json");
        Run run = Run.of("compare", trace, "--optimizers", "sgd(lr=9)", "--rates", "0.25,0.5,1", "--json", json);
        assertThat(run.code()).as(run.err()).isZero();
        JsonObject best = Run.json(json)
                .getAsJsonObject()
                .getAsJsonArray("results")
                .get(0)
                .getAsJsonObject();
        assertThat(best.get("lr").getAsDouble()).isEqualTo(0.5);
        assertThat(best.get("result").getAsDouble()).isZero();
    }

    /** What diverged comes last and has no number. */
    @Test
    void trainingsAreRankedByValidationLoss() throws IOException {
        Path text = Files.writeString(folder.resolve("words.txt"), "lift the gate, fill the lock. ".repeat(600));
        Path json = folder.resolve("result.json");
        Path png = folder.resolve("result.png");
        Run run = Run.of(
                "compare",
                "--data",
                text,
                "--model",
                "8,8,16,1",
                "--steps",
                30,
                "--batch",
                16,
                "--optimizers",
                "sgd(lr=0.3, momentum=0.9); adamw(lr=0.01)",
                "--times",
                "0.001,1,1e30",
                "--json",
                json,
                "--png",
                png);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.err()).contains("5 of 6: adamw(lr=0.01): step 30 of 30").doesNotContain("\r");
        assertThat(run.out()).contains("bits per character", "diverged at step ");
        List<JsonElement> rows =
                Run.json(json).getAsJsonObject().getAsJsonArray("results").asList();
        assertThat(rows).hasSize(6);
        assertThat(rows.getFirst().getAsJsonObject().get("lr").getAsDouble()).isIn(0.3, 0.01);
        assertThat(rows.getLast().getAsJsonObject().get("result").isJsonNull()).isTrue();
        assertThat(ImageIO.read(Files.newInputStream(png)).getHeight()).isEqualTo(620);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--times 1 --rates 1       | contradict each other",
                "--rates -1 --optimizers adam | --rates -1.0: pass numbers >= 0",
                "--times x                 | Invalid value for option '--times'",
                "--optimizers ;            | no optimizer in",
                "--optimizers adm          | there is no optimizer 'adm'",
                "--task audio              | --task audio: pass text or images",
                "--dtype f64               | a training has f32",
                "none.safetensors          | no such file",
                "TRACE --steps 5 --seed 1  | --steps, --seed: not for the trace",
                "TRACE --dtype bf16        | traces have weights of full precision",
                "TRACE --json /none/x.json | the directory /none is not there",
            })
    void wrongUseIsOneLine(String line, String reason) {
        List<Object> arguments = new ArrayList<>(List.of("compare"));
        for (String word : line.split(" +")) {
            arguments.add(word.equals("TRACE") ? ADAM : word);
        }
        Run run = Run.of(arguments.toArray());
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err().lines()).hasSize(1).first().asString().contains(reason);
    }
}
