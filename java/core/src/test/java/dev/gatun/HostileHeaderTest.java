package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Headers that are long rather than wrong: neither the stack nor the heap may grow beyond what their size allows. */
class HostileHeaderTest {
    /** As many numbers as took the stack that a regular expression needed for them. */
    private static final int MANY = 100_000;

    /** What may be allocated for each byte of a header. */
    private static final long BYTES_PER_BYTE = 64;

    @TempDir
    Path folder;

    /** A checkpoint without tensors, with right checksums. */
    private Path checkpoint(Map<String, String> changes) throws IOException {
        Map<String, String> metadata = new LinkedHashMap<>();
        metadata.put(Checkpoint.FORMAT, "1");
        metadata.put(Checkpoint.OPTIMIZER, "");
        metadata.put(Checkpoint.GROUP_STEPS, "");
        metadata.put(Checkpoint.STEPS, "0");
        metadata.putAll(changes);
        metadata.put(Checksums.KEY, Checksums.ZEROS);
        byte[] bytes = Safetensors.headerBytes(new SafetensorsHeader(metadata, Map.of()));
        Checksums.seal(bytes);
        return Files.write(folder.resolve("long.safetensors"), bytes);
    }

    private static String numbers(int count) {
        return IntStream.range(0, count).mapToObj(i -> "1").collect(Collectors.joining(", "));
    }

    /** A file's text is quoted in messages, and these are written to logs line by line. */
    @Test
    void messagesQuoteLittleAndNoControlCharacters() throws IOException {
        Path hostile =
                checkpoint(Map.of(Checkpoint.STEPS, "1\n2026-11-21 INFO all is well\u001b[2J" + "x".repeat(1_000_000)));
        assertThatThrownBy(() -> Checkpoint.read(hostile))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("1?2026-11-21 INFO all is well?[2Jxxx")
                .hasMessageContaining("more characters)")
                .extracting(Throwable::getMessage)
                .satisfies(message -> assertThat(message).hasSizeLessThan(2_100));
    }

    @Test
    void manyNumbersAreReadOrRefusedAndNeedNoStack() throws IOException {
        Path many = checkpoint(Map.of(Checkpoint.GROUP_STEPS, numbers(MANY)));
        assertThat(Checkpoint.read(many).groupSteps()).hasSize(MANY).containsOnly(1L);
        String line = "group 0, steps 0, F32 [" + numbers(MANY) + "]";
        Path shape = checkpoint(Map.of(Checkpoint.PARAMETER + "w", line));
        assertThat(Checkpoint.read(shape).parameters().get("w").shape()).hasSize(MANY);
        for (String wrong : List.of(numbers(MANY) + ",", numbers(MANY) + ", ", numbers(MANY) + "x")) {
            Path file = checkpoint(Map.of(Checkpoint.GROUP_STEPS, wrong));
            assertThatThrownBy(() -> Checkpoint.read(file)).isExactlyInstanceOf(CheckpointException.class);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"1", "1 ", "(", "((", "adam(", "a", "a,", ";", " ", "lr=", "-", "é"})
    void manyTimesTheSameIsNoRule(String piece) throws IOException {
        Path file = checkpoint(Map.of(Checkpoint.OPTIMIZER, piece.repeat(MANY)));
        assertThatThrownBy(() -> Checkpoint.read(file).rules()).isExactlyInstanceOf(CheckpointException.class);
    }

    /** One group for each parameter is nothing unusual; ten thousand are many. */
    @Test
    void whatHasManyGroupsIsLoadedAgain() throws IOException {
        Path file = folder.resolve("groups.safetensors");
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cpu(1)) {
            OptimizerBuilder builder = Optimizer.builder(device);
            List<Tensor> gradients = new ArrayList<>();
            for (int i = 0; i < 10_000; i++) {
                Parameter parameter = Parameter.of("w" + i, Tensor.of(arena, new float[] {1}));
                builder.group(Sgd.of(0.5), List.of(parameter));
                gradients.add(Tensor.of(arena, new float[] {1}));
            }
            try (Optimizer optimizer = builder.build()) {
                optimizer.bindGradients(gradients);
                optimizer.step();
                optimizer.save(file);
                optimizer.step();
                optimizer.load(file);
                assertThat(optimizer.steps()).isEqualTo(1);
                assertThat(optimizer.parameters().getLast().weight().get(0)).isEqualTo(0.5);
            }
        }
    }

    /** The least text that makes the most objects: tensors of no size, metadata of nothing, many dimensions. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "'%d':{'dtype':'U8','shape':[0],'data_offsets':[0,0]}",
                "'%d':{'dtype':'U8','shape':[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],'data_offsets':[0,0]}",
                "'%d':{'shape':[1",
                "'__metadata__':{'%d':''}"
            })
    void aHeaderMakesNoMoreObjectsThanItsSizeAllows(String entry) throws Throwable {
        String many = IntStream.range(0, 20_000)
                .mapToObj(i -> entry.replace("%d", Integer.toString(i)))
                .collect(Collectors.joining(","));
        byte[] json = ("{" + many + "}").replace('\'', '"').getBytes(StandardCharsets.UTF_8);
        MethodHandle allocated = AllocationTest.allocatedBytes();
        long before = (long) allocated.invoke();
        try {
            assertThat(SafetensorsHeader.read(json, 0).entries()).hasSize(20_000);
        } catch (CheckpointException e) {
            assertThat(e.getMessage()).hasSizeLessThan(1000);
        }
        long bytes = (long) allocated.invoke() - before;
        assertThat(bytes).as("for %d bytes", json.length).isLessThan(BYTES_PER_BYTE * json.length + (1 << 20));
    }
}
