package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.gatun.Device;
import dev.gatun.DeviceUnavailableException;
import dev.gatun.Safetensors;
import java.io.IOException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ReplayTest {
    private static final String ADAM = "adam.safetensors";

    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "sgd_momentum",
                "sgd_nesterov",
                "adam",
                "amsgrad",
                "adamw",
                "sing",
                "sing_plain",
                "sing_sgd",
                "nsgd",
                "nsgd_l1_memory",
                "nsgd_layer",
                "insgd",
                "lookahead_adam"
            })
    void goldenTracesAgree(String name) throws IOException {
        Path json = folder.resolve("result.json");
        for (String dtype : new String[] {"f32", "f64"}) {
            Run run = Run.of("replay", trace(name), "--dtype", dtype, "--json", json);
            assertThat(run.code()).as(run.out() + run.err()).isZero();
            JsonObject result = Run.json(json).getAsJsonObject();
            assertThat(result.get("max_error").getAsDouble()).isLessThanOrEqualTo(dtype.equals("f32") ? 5e-6 : 1e-12);
            assertThat(result.get("dtype").getAsString()).isEqualTo(dtype);
            assertThat(result.get("steps").getAsInt()).isEqualTo(12);
        }
    }

    @Test
    void jsonHasExactlyTheDocumentedKeys() throws IOException {
        Path json = folder.resolve("result.json");
        Run.of("replay", trace("adam"), "--threads", 2, "--isa", "scalar", "--json", json);
        JsonObject result = Run.json(json).getAsJsonObject();
        assertThat(result.keySet())
                .containsExactlyInAnyOrder(
                        "optimizer", "device", "isa", "threads", "dtype", "steps", "max_error", "tensors", "sha256");
        assertThat(result.get("optimizer").getAsString()).isEqualTo("adam(lr=0.01, weight_decay=0.01)");
        assertThat(result.get("device").getAsString()).isEqualTo("cpu");
        assertThat(result.get("isa").getAsString()).isEqualTo("scalar");
        assertThat(result.get("threads").getAsInt()).isEqualTo(2);
        Set<String> names = Set.of("dense", "conv", "bias", "one", "fan1", "tiny");
        assertThat(result.getAsJsonObject("tensors").keySet()).isEqualTo(names);
        assertThat(result.getAsJsonObject("sha256").keySet()).isEqualTo(names);
    }

    /** A comparison that no optimizer fails would be none. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "sgd(lr=0.01)",
                "adam(lr=0.01)",
                "adamw(lr=0.01, weight_decay=0.01)",
                "adam(lr=0.010001, weight_decay=0.01)"
            })
    void anotherOptimizerFails(String optimizer) {
        Run run = Run.of("replay", trace("adam"), "--optimizer", optimizer);
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.out()).contains("FAILED");
    }

    @Test
    void oneFailureOfSeveralFails() throws IOException {
        Path json = folder.resolve("all.json");
        Run run = Run.of(
                "replay",
                trace("adamw"),
                trace("adam"),
                "--optimizer",
                "adamw(lr=0.01, weight_decay=0.1)",
                "--json",
                json);
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.out()).contains("1 of 2 traces");
        JsonArray results = Run.json(json).getAsJsonArray();
        assertThat(results).hasSize(2);
        assertThat(results.get(1).getAsJsonObject().get("trace").getAsString()).endsWith(ADAM);
    }

    @Test
    void bitsDependOnNeitherInstructionSetNorThreads() throws IOException {
        for (String name : new String[] {"adam", "sing", "sing_sgd", "lookahead_adam"}) {
            Set<String> hashes = new HashSet<>();
            for (Device.Isa isa : Device.Isa.values()) {
                if (!supported(isa)) {
                    continue;
                }
                for (int threads : new int[] {1, 2, 3, 7}) {
                    Path json = folder.resolve("bits.json");
                    Run run = Run.of(
                            "replay",
                            trace(name),
                            "--isa",
                            isa.name().toLowerCase(),
                            "--threads",
                            threads,
                            "--json",
                            json);
                    assertThat(run.code()).isZero();
                    hashes.add(Run.json(json).getAsJsonObject().get("sha256").toString());
                }
            }
            assertThat(hashes).as(name).hasSize(1);
        }
    }

    @Test
    void anExactRunHasNoErrorAndItsHashIsThatOfTheFile() throws Exception {
        Path json = folder.resolve("exact.json");
        Path out = folder.resolve("final.safetensors");
        Run run = Run.of("replay", TraceFile.sgd().write(folder), "--tolerance", 0, "--json", json, "--out", out);
        assertThat(run.code()).as(run.out() + run.err()).isZero();
        Safetensors weights = Safetensors.read(out);
        assertThat(weights.tensor("weight/a").toDoubles()).containsExactly(-0.25, 3);
        assertThat(weights.tensor("weight/b").toDoubles()).containsExactly(0);
        byte[] bytes = {0, 0, (byte) 0x80, (byte) 0xbe, 0, 0, 0x40, 0x40}; // -0.25f, 3f, little-endian
        String expected =
                HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        assertThat(Run.json(json)
                        .getAsJsonObject()
                        .getAsJsonObject("sha256")
                        .get("a")
                        .getAsString())
                .isEqualTo(expected);
        assertThat(run.out()).contains(expected);
    }

    /** Off by 0.003 at the first step only, with 4 as the largest weight there ever was. */
    @Test
    void theErrorIsNormWiseOverAllSteps() throws IOException {
        Path json = folder.resolve("off.json");
        Path trace = TraceFile.sgd().with("expect/1/b", 0.003).write(folder);
        assertThat(Run.of("replay", trace, "--json", json, "--dtype", "f64").code())
                .isEqualTo(1);
        JsonObject result = Run.json(json).getAsJsonObject();
        assertThat(result.get("max_error").getAsDouble()).isCloseTo(0.003 / 4, within(1e-15));
        assertThat(result.getAsJsonObject("tensors").get("a").getAsDouble()).isZero();
        assertThat(Run.of("replay", trace, "--tolerance", "7.6e-4").code()).isZero();
        assertThat(Run.of("replay", trace, "--tolerance", "7.4e-4").code()).isEqualTo(1);
    }

    @ParameterizedTest
    @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY})
    void whatIsNotFiniteFails(double value) throws IOException {
        Path json = folder.resolve("nan.json");
        Path trace = TraceFile.sgd().with("expect/1/a", 0, value).write(folder);
        assertThat(Run.of("replay", trace, "--tolerance", 1e300, "--json", json).code())
                .isEqualTo(1);
        assertThat(Run.json(json).getAsJsonObject().get("max_error").isJsonNull())
                .isTrue();
    }

    @Test
    void aRefusedStepIsSaid() throws IOException {
        Run run =
                Run.of("replay", TraceFile.sgd().with("grad/2/a", Double.NaN, 0).write(folder));
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.out()).contains("refused step 2", "'a'");
    }

    @Test
    void recordedLearningRatesReplaceTheOptimizers() throws IOException {
        Path trace =
                TraceFile.sgd().with("lr", 0.5, 2).with("expect/2/a", -1, 3).write(folder);
        assertThat(Run.of("replay", trace, "--tolerance", 0).code()).isZero();
        assertThat(Run.of("replay", trace, "--tolerance", 0, "--optimizer", "sgd(lr=123)")
                        .code())
                .isZero();
    }

    @Test
    void cudaIsThereOrSaysWhyNot() {
        Run run = Run.of("replay", trace("adam"), "--device", "cuda");
        if (Device.cudaStatus().reason() != null) {
            assertThat(run.code()).isEqualTo(3);
            assertThat(run.err().lines()).hasSize(1);
            assertThat(run.err())
                    .contains(Device.cudaStatus().reason().lines().findFirst().orElseThrow());
        }
    }

    private static Path trace(String name) {
        return Run.TRACES.resolve(name + ".safetensors");
    }

    private static boolean supported(Device.Isa isa) {
        try (Device device = Device.cpu(1, isa)) {
            return device.isa() == isa;
        } catch (DeviceUnavailableException notHere) {
            return false;
        }
    }
}
