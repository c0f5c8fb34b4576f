package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.awt.Color;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What bench reports. How fast anything was is nothing to assert on a machine that others use. */
class BenchTest {
    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"f32", "f64", "bf16", "f16"})
    void everyRowIsComplete(String dtype) throws IOException {
        Path json = folder.resolve("bench.json");
        Path png = folder.resolve("bench.png");
        Run run = Run.of(
                "bench",
                "--lists",
                "tiny,40x7",
                "--rounds",
                3,
                "--threads",
                2,
                "--dtype",
                dtype,
                "--json",
                json,
                "--png",
                png,
                "--optimizers",
                "sing(); sgd(lr=0.01, momentum=0.9)");
        assertThat(run.code()).as(run.out() + run.err()).isZero();
        JsonObject report = Run.json(json).getAsJsonObject();
        assertThat(report.keySet()).containsExactlyInAnyOrder("machine", "limit_gb_per_s", "results", "peers_left_out");
        assertThat(report.get("limit_gb_per_s").getAsDouble()).isPositive();
        assertThat(report.getAsJsonObject("machine").keySet())
                .contains(
                        "cpu",
                        "cores",
                        "caches",
                        "memory_bytes",
                        "os",
                        "jdk",
                        "gatun",
                        "device",
                        "isa",
                        "load_average");
        JsonArray results = report.getAsJsonArray("results");
        // The reference, SING and SGD without and with the finite check; on two lists.
        assertThat(results).hasSize(10);
        for (var element : results) {
            JsonObject row = element.getAsJsonObject();
            assertThat(row.keySet())
                    .contains(
                            "optimizer",
                            "list",
                            "parameters",
                            "tensors",
                            "threads",
                            "device",
                            "dtype",
                            "bytes_per_parameter",
                            "ns_per_parameter",
                            "gb_per_s",
                            "share_of_limit",
                            "ratio_to_adamw",
                            "rounds",
                            "check_finite");
            for (String number : new String[] {
                "bytes_per_parameter",
                "ns_per_parameter",
                "gb_per_s",
                "share_of_limit",
                "ratio_to_adamw",
                "limit_gb_per_s",
                "copy_gb_per_s"
            }) {
                assertThat(row.get(number).getAsDouble())
                        .as(number)
                        .isPositive()
                        .isFinite();
            }
            assertThat(row.get("rounds").getAsInt()).isEqualTo(3);
            assertThat(row.get("dtype").getAsString()).isEqualTo(dtype);
            assertThat(row.get("threads").getAsInt()).isEqualTo(2);
        }
        JsonObject first = results.get(0).getAsJsonObject();
        assertThat(first.get("optimizer").getAsString()).startsWith("adamw()");
        assertThat(first.get("ratio_to_adamw").getAsDouble()).isEqualTo(1);
        assertThat(first.get("bytes_per_parameter").getAsDouble()).isEqualTo(dtype.equals("f64") ? 56 : 28);
        assertThat(results.get(5).getAsJsonObject().get("parameters").getAsLong())
                .isEqualTo(280);
        assertThat(run.out()).contains("tiny:", "40x7:", "sing", "share", "plain copy");
        assertThat(Files.readAllBytes(png)).startsWith(0x89, 'P', 'N', 'G');
    }

    @ParameterizedTest
    @ValueSource(strings = {"on", "off"})
    void theFiniteCheckCanBeChosen(String check) throws IOException {
        Path json = folder.resolve("bench.json");
        Run run = Run.of(
                "bench",
                "--lists",
                "tiny",
                "--rounds",
                1,
                "--check-finite",
                check,
                "--json",
                json,
                "--optimizers",
                "adamw(); sing()");
        assertThat(run.code()).as(run.err()).isZero();
        JsonArray results = Run.json(json).getAsJsonObject().getAsJsonArray("results");
        long checked = results.asList().stream()
                .filter(row -> row.getAsJsonObject().get("check_finite").getAsBoolean())
                .count();
        assertThat(checked).isEqualTo(check.equals("on") ? 2 : 0);
        assertThat(results).hasSize(check.equals("on") ? 3 : 2);
    }

    @Test
    void progressIsOnStderrOnly() {
        Run run = Run.of("bench", "--lists", "tiny", "--rounds", 1, "--optimizers", "adamw()");
        assertThat(run.err()).contains("tiny: preparing").doesNotContain("\r");
        assertThat(run.out()).doesNotContain("preparing");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--lists=",
                "--lists=tiny,",
                "--lists=resnet",
                "--rounds=0",
                "--optimizers=adamw();",
                "--optimizers=adamx()",
                "--optimizers=adamw();adamw()",
                "--threads=-2",
                "--lists=900000m",
                "--json=/",
                "--check-finite=maybe",
                "--peers=adamx",
                "--peers=java-loops" // the tests have no class path of bench/peers
            })
    void badInput(String option) {
        Run run = Run.of("bench", option);
        assertThat(run.code()).as(run.err()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err().lines()).hasSize(1);
        assertThat(run.err()).contains(option.substring(0, option.indexOf('=')));
    }

    @Test
    void weightsThatOverflowAreNotTimed() {
        Run run = Run.of("bench", "--lists", "tiny", "--rounds", 2, "--optimizers", "sgd(lr=1e39)");
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err()).contains("smaller learning rate");
    }

    /** Twenty optimizers with and without the check: no two bars alike, to a machine at least. */
    @Test
    void coloursDoNotRepeat() {
        Set<Color> seen = new HashSet<>();
        for (int i = 0; i < 20; i++) {
            assertThat(seen.add(BenchChart.color(i, 20, false))).isTrue();
            assertThat(seen.add(BenchChart.color(i, 20, true))).isTrue();
        }
    }
}
