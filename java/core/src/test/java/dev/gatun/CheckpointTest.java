package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointTest {
    private static final Rule RULE = Rule.parse("ema(sgd(lr=0.5, momentum=0.5), tau=0.5)");

    @TempDir
    Path folder;

    private final Arena arena = Arena.ofConfined();
    private Device device;

    @BeforeEach
    void open() {
        device = Device.cpu(1);
    }

    @AfterEach
    void close() {
        device.close();
        arena.close();
    }

    private Optimizer optimizer(Rule rule, Tensor... weights) {
        Parameter[] parameters = new Parameter[weights.length];
        for (int i = 0; i < weights.length; i++) {
            parameters[i] = Parameter.of("w" + i, weights[i]);
        }
        return Optimizer.of(device, rule, List.of(parameters));
    }

    /** A small file: two steps of one parameter with two elements. */
    private Path saved() throws IOException {
        Path file = folder.resolve("saved.safetensors");
        try (Optimizer optimizer = optimizer(RULE, Tensor.of(arena, new float[] {1, 2}))) {
            optimizer.bindGradient(0, Tensor.of(arena, new float[] {0.5f, -1}));
            optimizer.step();
            optimizer.step();
            optimizer.save(file);
        }
        return file;
    }

    @Test
    void saysWhatItHas() throws IOException {
        Checkpoint checkpoint = Checkpoint.read(saved());
        assertThat(checkpoint.formatVersion()).isEqualTo(1);
        assertThat(checkpoint.optimizer()).isEqualTo(RULE.toString());
        assertThat(checkpoint.rules()).containsExactly(RULE);
        assertThat(checkpoint.steps()).isEqualTo(2);
        assertThat(checkpoint.groupSteps()).containsExactly(2L);
        assertThat(checkpoint.parameters()).containsOnlyKeys("w0");
        assertThat(checkpoint.parameters().get("w0")).isEqualTo(new Checkpoint.Entry(0, 2, DType.F32, List.of(2L)));
        assertThat(checkpoint.weight("w0").orElseThrow().toFloats()).containsExactly(0.375f, 3.25f);
        assertThat(checkpoint.state("b", "w0").orElseThrow().toFloats()).containsExactly(0.75f, -1.5f);
        assertThat(checkpoint.state("ema", "w0")).isPresent();
        assertThat(checkpoint.state("m", "w0")).isEmpty();
    }

    @Test
    void everyFlippedBitIsRefused() throws IOException {
        byte[] bytes = Files.readAllBytes(saved());
        Path damaged = folder.resolve("damaged");
        for (int i = 0; i < bytes.length; i++) {
            for (int bit = 0; bit < 8; bit++) {
                byte[] copy = bytes.clone();
                copy[i] ^= (byte) (1 << bit);
                Files.write(damaged, copy);
                assertThatThrownBy(() -> Checkpoint.read(damaged))
                        .as("bit %d of byte %d of %d", bit, i, bytes.length)
                        .isInstanceOf(CheckpointException.class)
                        .hasMessageContaining(damaged.toString());
            }
        }
    }

    @Test
    void everyTruncationAndAnythingBehindIsRefused() throws IOException {
        byte[] bytes = Files.readAllBytes(saved());
        Path damaged = folder.resolve("damaged");
        for (int length = 0; length < bytes.length; length++) {
            Files.write(damaged, Arrays.copyOf(bytes, length));
            assertThatThrownBy(() -> Checkpoint.read(damaged))
                    .as("cut to %d of %d", length, bytes.length)
                    .isInstanceOf(CheckpointException.class);
        }
        Files.write(damaged, Arrays.copyOf(bytes, bytes.length + 1));
        assertThatThrownBy(() -> Checkpoint.read(damaged)).isInstanceOf(CheckpointException.class);
    }

    @Test
    void aNewerFormatIsRefusedWithBothNumbers() throws IOException {
        Path file = saved();
        String text = Files.readString(file, StandardCharsets.ISO_8859_1);
        Files.writeString(
                file, text.replace("\"gatun_format\":\"1\"", "\"gatun_format\":\"7\""), StandardCharsets.ISO_8859_1);
        assertThatThrownBy(() -> Checkpoint.read(file))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("format version 7")
                .hasMessageContaining("up to 1");
    }

    @Test
    void otherSafetensorsAreNoCheckpoint() throws Exception {
        Path trace = Path.of(
                CheckpointTest.class.getResource("/traces/adam.safetensors").toURI());
        assertThatThrownBy(() -> Checkpoint.read(trace))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("no checkpoint of Gatun");
    }

    // The file is what saved() writes; made once with version 0.1.0, never again.
    @Test
    void filesOfVersionOneLoadForEver() throws Exception {
        Path golden = Path.of(CheckpointTest.class
                .getResource("/checkpoints/version-1.safetensors")
                .toURI());
        Tensor weight = Tensor.of(arena, new float[] {0, 0});
        try (Optimizer optimizer = optimizer(RULE, weight)) {
            optimizer.load(golden);
            assertThat(optimizer.steps()).isEqualTo(2);
            assertThat(optimizer.stepsTaken(0)).isEqualTo(2);
            assertThat(weight.toFloats()).containsExactly(0.375f, 3.25f);
            assertThat(optimizer.state(0, "b").toFloats()).containsExactly(0.75f, -1.5f);
            Path again = folder.resolve("again");
            optimizer.save(again);
            assertThat(Files.mismatch(golden, again)).isEqualTo(-1);
        }
    }

    @Test
    void aCheckpointOfAnotherOptimizerIsRefusedAndNothingWritten() throws IOException {
        Path file = saved();
        Tensor two = Tensor.of(arena, new float[] {7, 7});
        assertRefused(
                file, "saved with ema(sgd", optimizer(Rule.parse("ema(sgd(lr=0.5, momentum=0.5), tau=0.6)"), two));
        assertRefused(file, "and this optimizer has adam()", optimizer(Adam.of(1e-3), two));
        assertRefused(file, "no parameter 'w1'", optimizer(RULE, two, Tensor.of(arena, new float[] {7})));
        assertRefused(
                file,
                "was saved as F32 [2] in group 0, and here is F32 [2, 1]",
                optimizer(RULE, Tensor.of(arena, new float[] {7, 7}, 2, 1)));
        assertRefused(file, "and here is F64 [2]", optimizer(RULE, Tensor.of(arena, new double[] {7, 7})));
        assertRefused(file, "this optimizer has no parameters [w0]", optimizer(RULE));
        assertRefused(
                file,
                "it has 1 groups, and this optimizer has 2",
                Optimizer.builder(device)
                        .group(RULE, List.of(Parameter.of("w0", two)))
                        .group(RULE, List.of())
                        .build());
        assertRefused(
                file,
                "no parameter 'w9': did you mean 'w0'?",
                Optimizer.of(device, RULE, List.of(Parameter.of("w9", two))));
    }

    private static void assertRefused(Path file, String reason, Optimizer optimizer) {
        try (optimizer) {
            assertThatThrownBy(() -> optimizer.load(file))
                    .isExactlyInstanceOf(CheckpointException.class)
                    .hasMessageContaining(reason);
            assertThat(optimizer.steps()).isZero();
            for (int i = 0; i < optimizer.parameters().size(); i++) {
                assertThat(optimizer.parameters().get(i).weight().toFloats()).containsOnly(7);
                assertThat(optimizer.stepsTaken(i)).isZero();
            }
        }
    }

    @Test
    void theLearningRateMayDiffer() throws IOException {
        Tensor weight = Tensor.of(arena, new float[] {7, 7});
        try (Optimizer optimizer = optimizer(RULE.withLr(0.1), weight)) {
            optimizer.load(saved());
            assertThat(weight.toFloats()).containsExactly(0.375f, 3.25f);
        }
    }

    @Test
    void weightsMayBeLeftOut() throws IOException {
        Path file = folder.resolve("state");
        Tensor weight = Tensor.of(arena, new float[] {7, 7});
        try (Optimizer optimizer = optimizer(RULE, weight)) {
            optimizer.load(saved());
            optimizer.save(file, false);
            assertThat(Checkpoint.read(file).weight("w0")).isEmpty();
            weight.set(0, 100);
            optimizer.load(file);
            assertThat(weight.toFloats()).containsExactly(100, 3.25f);
        }
    }

    @Test
    void savingOverAFileThatIsReadKeepsWhatIsRead() throws IOException {
        Path file = saved();
        Checkpoint before = Checkpoint.read(file);
        try (Optimizer optimizer = optimizer(RULE, Tensor.of(arena, new float[] {7, 7}))) {
            optimizer.save(file);
        }
        assertThat(before.weight("w0").orElseThrow().toFloats()).containsExactly(0.375f, 3.25f);
        assertThat(Checkpoint.read(file).weight("w0").orElseThrow().toFloats()).containsExactly(7, 7);
    }
}
