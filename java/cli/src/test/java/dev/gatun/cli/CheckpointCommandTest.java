package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.DType;
import dev.gatun.Device;
import dev.gatun.Optimizer;
import dev.gatun.Parameter;
import dev.gatun.Rule;
import dev.gatun.Safetensors;
import dev.gatun.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointCommandTest {
    @TempDir
    private Path folder;

    @Test
    void showPrintsMetadataAndTensors() throws IOException {
        Run run = Run.of("checkpoint", "show", saved("a", 1));
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).contains("optimizer = adamw", "weight/layer", "state/m/layer", "[2, 2]", "F32");
    }

    @Test
    void aWholeFileVerifies() throws IOException {
        Run run = Run.of("checkpoint", "verify", saved("a", 1));
        assertThat(run.code()).as(run.out() + run.err()).isZero();
        assertThat(run.out()).contains("whole", "adamw");
    }

    /** One flipped bit anywhere, or a lost end, is damage. */
    @Test
    void damageIsFound() throws IOException {
        Path file = saved("a", 1);
        byte[] bytes = Files.readAllBytes(file);
        for (int at : new int[] {0, 20, bytes.length / 3, bytes.length - 40, bytes.length - 1}) {
            byte[] damaged = bytes.clone();
            damaged[at] ^= 4;
            Files.write(file, damaged);
            Run run = Run.of("checkpoint", "verify", file);
            assertThat(run.code())
                    .as("bit flipped at " + at + ": " + run.out() + run.err())
                    .isEqualTo(1);
            assertThat(run.out()).contains("DAMAGED");
        }
        Files.write(file, Arrays.copyOf(bytes, bytes.length - 3));
        assertThat(Run.of("checkpoint", "verify", file).code()).isEqualTo(1);
    }

    @Test
    void equalFilesDoNotDiffer() throws IOException {
        Run run = Run.of("checkpoint", "diff", saved("a", 2), saved("b", 2));
        assertThat(run.code()).as(run.out()).isZero();
        assertThat(run.out()).contains("have equal bits");
    }

    @Test
    void differencesAreMeasured() throws IOException {
        Run run = Run.of("checkpoint", "diff", saved("a", 1), saved("b", 2));
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.out()).contains("differ", "3 of 3 tensors differ");
    }

    @Test
    void differencesAreAbsoluteAndRelative() throws IOException {
        Path left = TraceFile.sgd().write(Files.createDirectory(folder.resolve("left")));
        Path right = TraceFile.sgd()
                .with("grad/1/a", 2, -2.5)
                .with("grad/2/a", 0.5, 4)
                .with("weight/b", Double.NaN)
                .write(Files.createDirectory(folder.resolve("right")));
        Run run = Run.of("checkpoint", "diff", left, right);
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.out().lines().map(line -> line.replaceAll(" +", " ")))
                .contains(
                        "tensor bits elements absolute relative",
                        "grad/1/a differ 1 0.500000 0.200000",
                        "grad/2/a differ 1 4.00000 1.00000",
                        "weight/b differ 1 NaN NaN",
                        "expect/1/a equal");
    }

    @Test
    void halfPrecisionIsShownAndCompared() throws IOException {
        Path file = folder.resolve("half.safetensors");
        Tensor weight = Tensor.allocate(Arena.ofAuto(), DType.BF16, 2);
        weight.set(0, -1.5);
        Safetensors.write(file, Map.of(), Map.of("w", weight));
        assertThat(Run.of("checkpoint", "show", file).out()).contains("BF16", "1.50000");
        weight.set(0, 1.5);
        Path other = folder.resolve("other.safetensors");
        Safetensors.write(other, Map.of(), Map.of("w", weight));
        assertThat(Run.of("checkpoint", "diff", file, other).out()).contains("3.00000       2.00000");
    }

    /** PyTorch's models have counters; their bits are compared, and convert leaves them out when it is told to. */
    @Test
    void typesThatAreNotReadAreShownAndCompared() throws IOException {
        Path first = counters(folder.resolve("first"), 1);
        Path second = counters(folder.resolve("second"), 2);
        assertThat(Run.of("checkpoint", "show", first).out()).containsPattern("batches +I64 +\\[\\] +- +-");
        Run diff = Run.of("checkpoint", "diff", first, second);
        assertThat(diff.code()).isEqualTo(1);
        assertThat(diff.out()).contains("differ  values of I64 are not read", "1 of 2 tensors differ");
        assertThat(Run.of("checkpoint", "diff", first, first).code()).isZero();
        Path made = folder.resolve("made");
        refusedConversion("leave it out if it is no parameter", "--optimizer", "adam", first, made);
        Run run = Run.of("checkpoint", "convert", "--optimizer", "adam", "--leave-out", "*batches", first, made);
        assertThat(run.out()).contains("1 parameters", "left out: bn.batches");
    }

    private static Path counters(Path file, int count) throws IOException {
        String header = "{\"bn.batches\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
                + "\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}";
        ByteBuffer bytes = ByteBuffer.allocate(8 + header.length() + 12).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(header.length())
                .put(header.getBytes(StandardCharsets.UTF_8))
                .putLong(count);
        return Files.write(file, bytes.array());
    }

    @Test
    void convertGoesThereAndBack() throws IOException {
        Path pytorch = folder.resolve("pytorch.safetensors");
        Path back = folder.resolve("back.safetensors");
        Run there = Run.of("checkpoint", "convert", saved("a", 3), pytorch);
        assertThat(there.code()).as(there.err()).isZero();
        assertThat(there.out()).contains("1 parameters under PyTorch's names, adamw()");
        assertThat(Run.of("checkpoint", "show", pytorch).out()).contains("state.layer.exp_avg_sq", "state.layer.step");
        Run again = Run.of("checkpoint", "convert", pytorch, back);
        assertThat(again.code()).as(again.err()).isZero();
        assertThat(again.out()).contains("a checkpoint of 1 parameters, adamw()");
        assertThat(back).hasSameBinaryContentAs(saved("b", 3));
        assertThat(Run.of("checkpoint", "verify", back).code()).isZero();
    }

    @Test
    void convertReadsPyTorchsFiles() throws IOException {
        Tensor weight = Tensor.of(Arena.ofAuto(), new float[] {1, 2}, 2);
        Path model = folder.resolve("model.safetensors");
        Path state = folder.resolve("state.safetensors");
        Path made = folder.resolve("made.safetensors");
        Safetensors.write(model, Map.of(), Map.of("fc.weight", weight, "bn.running_mean", weight, "fc.bias", weight));
        Safetensors.write(state, Map.of(), Map.of("state.fc.weight.momentum_buffer", weight));
        Run run = Run.of(
                "checkpoint",
                "convert",
                "--optimizer",
                "sgd(lr=0.1, momentum=0.9)",
                "--steps",
                5,
                "--leave-out",
                "*running_mean",
                model,
                state,
                made);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out().lines())
                .containsExactly(
                        made + ": a checkpoint of 2 parameters, sgd(lr=0.1, momentum=0.9)",
                        "without state, so they begin with zeros: fc.bias",
                        "left out: bn.running_mean");
        assertThat(Run.of("checkpoint", "verify", made).out()).contains("whole");
        refusedConversion("pass --optimizer, too", "--steps", 5, model, made);
        refusedConversion("no tensor has such a name", "--optimizer", "adam", "--leave-out", "x*", model, made);
        refusedConversion("nothing in it says which optimizer", model, folder.resolve("none"));
        refusedConversion("no such file", folder.resolve("nothing"), folder.resolve("none"));
        refusedConversion("would replace its own input", model, model);
        refusedConversion("are for PyTorch's files", "--optimizer", "adam", saved("a", 1), folder.resolve("none"));
        byte[] damaged = Files.readAllBytes(saved("a", 1));
        damaged[damaged.length - 1] ^= 1;
        Path broken = Files.write(folder.resolve("broken"), damaged);
        refusedConversion("is damaged: checksum", broken, folder.resolve("none"));
        assertThat(folder.resolve("none")).doesNotExist();
    }

    private static void refusedConversion(String reason, Object... arguments) {
        Object[] all = new Object[arguments.length + 2];
        all[0] = "checkpoint";
        all[1] = "convert";
        System.arraycopy(arguments, 0, all, 2, arguments.length);
        Run run = Run.of(all);
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err().lines()).hasSize(1).first().asString().contains(reason);
    }

    @Test
    void missingTensorsAndShapesDiffer() throws IOException {
        Path left = TraceFile.sgd().write(Files.createDirectory(folder.resolve("left")));
        Path right = TraceFile.sgd()
                .without("grad/1/b")
                .with("weight/b", 4, 4)
                .with("grad/2/a", 0.75, 0)
                .write(Files.createDirectory(folder.resolve("right")));
        Run run = Run.of("checkpoint", "diff", left, right);
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.out()).contains("only in the first file", "F64[1] and F64[2]", "0.250000", "3 of 9");
    }

    @Test
    void badFiles() throws IOException {
        for (String command : new String[] {"show", "verify"}) {
            Run run = Run.of("checkpoint", command, folder.resolve("none"));
            assertThat(run.code()).isEqualTo(2);
            assertThat(run.err().lines()).hasSize(1).first().asString().contains("no such file");
        }
        Path garbage = Files.writeString(folder.resolve("garbage"), "not a file of tensors, far from it");
        assertThat(Run.of("checkpoint", "show", garbage).code()).isEqualTo(2);
        assertThat(Run.of("checkpoint", "verify", TraceFile.sgd().write(folder)).err())
                .contains("not a checkpoint");
        assertThat(Run.of("checkpoint", "diff", garbage, garbage).code()).isEqualTo(2);
    }

    private Path saved(String name, int steps) throws IOException {
        Path file = folder.resolve(name + ".safetensors");
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cpu(1)) {
            Tensor weight = Tensor.of(arena, new float[] {1, 2, 3, 4}, 2, 2);
            try (Optimizer optimizer =
                    Optimizer.of(device, Rule.parse("adamw()"), List.of(Parameter.of("layer", weight)))) {
                optimizer.bindGradients(List.of(Tensor.of(arena, new float[] {1, -1, 2, 0.5f}, 2, 2)));
                for (int i = 0; i < steps; i++) {
                    optimizer.step();
                }
                optimizer.save(file);
            }
        }
        return file;
    }
}
