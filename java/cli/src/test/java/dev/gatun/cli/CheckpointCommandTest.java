package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.Device;
import dev.gatun.Optimizer;
import dev.gatun.Parameter;
import dev.gatun.Rule;
import dev.gatun.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
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
    void missingTensorsAndShapesDiffer() throws IOException {
        Path left = TraceFile.sgd().write(Files.createDirectory(folder.resolve("left")));
        Path right = TraceFile.sgd()
                .without("grad/1/b")
                .with("weight/b", 4, 4)
                .with("grad/2/a", 0.75, 0)
                .write(Files.createDirectory(folder.resolve("right")));
        Run run = Run.of("checkpoint", "diff", left, right);
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.out()).contains("only in the first file", "F64[1] and F64[2]", "differ 0.25", "3 of 9");
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
