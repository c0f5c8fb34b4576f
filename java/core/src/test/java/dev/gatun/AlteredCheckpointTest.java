package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Checkpoints altered in one thing and given right checksums again, so that only what the thing means is left to refuse
 * them; each stands with what must happen.
 */
class AlteredCheckpointTest {
    private static final String RULE = "ema(sgd(lr=0.5, momentum=0.5), tau=0.5)";

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

    /** What a checkpoint says and has; its header as text can be changed, too. */
    private static final class Contents {
        final Map<String, String> metadata;
        final Map<String, Tensor> tensors = new LinkedHashMap<>();
        UnaryOperator<String> header = UnaryOperator.identity();
        boolean sealed = true;

        Contents(Safetensors file) {
            metadata = new LinkedHashMap<>(file.metadata());
            metadata.keySet().removeIf(key -> key.startsWith(Checksums.KEY));
            file.names().forEach(name -> tensors.put(name, file.tensor(name)));
        }

        void write(Path path) throws IOException {
            tensors.forEach(
                    (name, tensor) -> metadata.putIfAbsent(Checksums.keyOf(name), Checksums.of(tensor.memory())));
            metadata.put(Checksums.KEY, Checksums.ZEROS);
            SafetensorsHeader described = Safetensors.describe(metadata, tensors);
            byte[] before = Safetensors.headerBytes(described);
            byte[] json = header.apply(new String(before, 8, before.length - 8, StandardCharsets.UTF_8))
                    .getBytes(StandardCharsets.UTF_8);
            ByteBuffer bytes = ByteBuffer.allocate(8 + json.length).order(ByteOrder.LITTLE_ENDIAN);
            bytes.putLong(json.length).put(json);
            if (sealed) {
                Checksums.seal(bytes.array());
            }
            List<MemorySegment> content = new ArrayList<>(Safetensors.content(before, described, tensors));
            content.set(0, MemorySegment.ofArray(bytes.array()));
            try (var out = Files.newOutputStream(path)) {
                for (MemorySegment segment : content) {
                    out.write(segment.toArray(ValueLayout.JAVA_BYTE));
                }
            }
        }
    }

    /** A change, and a part of the reason for which it is refused; empty where the file loads. */
    private record Altered(String what, Consumer<Contents> change, String refusal) {
        @Override
        public String toString() {
            return what;
        }
    }

    private static Altered metadata(String key, String value, String refusal) {
        return new Altered(
                key + " is " + value,
                contents -> {
                    if (value == null) {
                        contents.metadata.remove(key);
                    } else {
                        contents.metadata.put(key, value);
                    }
                },
                refusal);
    }

    private static Altered header(String what, UnaryOperator<String> change, String refusal) {
        return new Altered(what, contents -> contents.header = change, refusal);
    }

    private static Altered tensor(String name, Tensor tensor, String refusal) {
        return new Altered(
                name + " is " + tensor,
                contents -> {
                    if (tensor == null) {
                        contents.tensors.remove(name);
                    } else {
                        contents.tensors.put(name, tensor);
                    }
                },
                refusal);
    }

    static Stream<Altered> corpus() {
        String one = "group 0, steps 2, F32 [2]";
        Tensor wrongShape = Tensor.allocate(Arena.ofAuto(), DType.F32, 1, 2);
        Tensor wrongType = Tensor.allocate(Arena.ofAuto(), DType.F64, 2);
        return Stream.of(
                new Altered("nothing", contents -> {}, ""),
                metadata("gatun_format", null, "no checkpoint of Gatun"),
                metadata("gatun_format", "0", "format version 0"),
                metadata("gatun_format", "2", "format version 2, and this Gatun reads versions up to 1"),
                metadata("gatun_format", "999999999999999999", "format version 999999999999999999"),
                metadata("gatun_format", "4294967297", "format version 4294967297"),
                metadata("gatun_format", "1.0", "should have numbers"),
                metadata("gatun_format", "-1", "should have numbers"),
                metadata("gatun_format", "1, 1", "should be one number"),
                metadata("optimizer", null, "no optimizer"),
                metadata("loss_scale", "65536.0, 3", ""),
                metadata("loss_scale", "65536.0", "should be a scale above 0 and a number of steps"),
                metadata("loss_scale", "0.0, 3", "should be a scale above 0 and a number of steps"),
                metadata("loss_scale", "1.0E39, 3", "should be a scale above 0 and a number of steps"),
                metadata("loss_scale", "-1.0, 3", "should be a scale above 0 and a number of steps"),
                metadata("loss_scale", "NaN, 3", "should be a scale above 0 and a number of steps"),
                metadata("loss_scale", "1.0, -3", "should be a scale above 0 and a number of steps"),
                metadata("optimizer", "", "it has 0 groups"),
                metadata("optimizer", "adam()", "was saved with adam()"),
                metadata("optimizer", "adam(lr=", "'lr' has no value"),
                metadata("optimizer", "of_tomorrow()", "of_tomorrow"),
                metadata("optimizer", RULE.replace("tau=0.5", "tau=0.25"), "tau=0.25"),
                metadata("optimizer", RULE.replace("lr=0.5", "lr=0.1"), ""),
                metadata("optimizer", RULE + "; " + RULE, "it has 2 groups"),
                metadata("group_steps", null, "group_steps"),
                metadata("group_steps", "2, 2", "groups"),
                metadata("group_steps", "two", "should have numbers"),
                metadata("steps", null, "steps"),
                metadata("steps", "", "should be one number"),
                metadata("steps", "-1", "should have numbers"),
                metadata("steps", "99999999999999999999", "should have numbers"),
                metadata("parameter/w0", null, "no parameter 'w0'"),
                metadata("parameter/w2", one, "no parameters [w2]"),
                metadata("parameter/w0", "group 0", "which has another form"),
                metadata("parameter/w0", one.replace("group 0", "group 1"), "in group 1, and here is"),
                metadata("parameter/w0", one.replace("[2]", "[1, 2]"), "saved as F32 [1, 2]"),
                metadata("parameter/w0", one.replace("F32", "F64"), "saved as F64 [2]"),
                metadata("parameter/w0", one.replace("F32", "I8"), "which has another form"),
                metadata("parameter/w0", one.replace("steps 2", "steps 9999999999999999999"), "another form"),
                metadata("crc32c/weight/w0", "00000000", "'weight/w0' is damaged"),
                metadata("a_later_version", "says more", ""),
                tensor("weight/w0", null, "no weight of 'w0'"),
                tensor("state/b/w1", null, "no state b of 'w1'"),
                tensor("state/b/w0", wrongShape, "state b of 'w0' is F32[1, 2]"),
                tensor("weight/w0", wrongType, "weight of 'w0' is F64[2]"),
                tensor("state/of_tomorrow/w0", wrongShape, ""),
                new Altered("other order", AlteredCheckpointTest::reverse, ""),
                new Altered("no seal", contents -> contents.sealed = false, "its header is damaged"),
                header("white space in front", json -> "  " + json, ""),
                header("white space behind", json -> json + "     ", ""),
                new Altered("no checksum", AlteredCheckpointTest::withoutChecksum, "no checksum"),
                header(
                        "a tensor that is a string",
                        json -> json.replaceFirst("\\{\"", "{\"steps\":\"2\",\""),
                        "'{' is expected"),
                header("a tensor twice", json -> json.replace("\"weight/w1\":{", "\"weight/w0\":{"), "twice"),
                header(
                        "a shape of other size",
                        json -> json.replaceFirst("\"shape\":\\[2]", "\"shape\":[3]"),
                        "needs 12 bytes"),
                header("overlapping tensors", json -> json.replaceFirst("\\[0,8]", "[4,12]"), "begins at byte"),
                header("an unknown type", json -> json.replaceFirst("\"F32\"", "\"F99\""), "unknown type 'F99'"));
    }

    private static void withoutChecksum(Contents contents) {
        contents.header = json -> json.replace("\"crc32c\":\"00000000\"", "\"crc\":\"00000000\"");
        contents.sealed = false;
    }

    private static void reverse(Contents contents) {
        List<String> names = new ArrayList<>(contents.tensors.keySet());
        names.reversed().forEach(name -> contents.tensors.put(name, contents.tensors.remove(name)));
    }

    @ParameterizedTest
    @MethodSource("corpus")
    void isRefusedOrLoadsAsListed(Altered altered) throws IOException {
        Path file = folder.resolve("altered.safetensors");
        try (Optimizer optimizer = optimizer(1, 2)) {
            for (int i = 0; i < 2; i++) {
                Tensor weight = optimizer.parameters().get(i).weight();
                optimizer.bindGradient(i, Tensor.allocate(arena, DType.F32, weight.shape()));
            }
            optimizer.step();
            optimizer.step();
            optimizer.save(file);
        }
        Contents contents = new Contents(Safetensors.read(file));
        altered.change.accept(contents);
        Files.delete(file); // what was read stays mapped
        contents.write(file);
        try (Optimizer optimizer = optimizer(7, 7)) {
            if (altered.refusal.isEmpty()) {
                optimizer.load(file);
                requireAll(optimizer, 1, 2, 2);
            } else {
                assertThatThrownBy(() -> optimizer.load(file))
                        .isExactlyInstanceOf(CheckpointException.class)
                        .hasMessageContaining(file.toString())
                        .hasMessageContaining(altered.refusal);
                requireAll(optimizer, 7, 7, 0);
            }
        }
    }

    private Optimizer optimizer(float first, float second) {
        return Optimizer.of(
                device,
                Rule.parse(RULE),
                List.of(
                        Parameter.of("w0", Tensor.of(arena, new float[] {first, first})),
                        Parameter.of("w1", Tensor.of(arena, new float[] {second, second}, 2, 1))));
    }

    private static void requireAll(Optimizer optimizer, float first, float second, long steps) {
        assertThat(optimizer.parameters().get(0).weight().toFloats()).containsOnly(first);
        assertThat(optimizer.parameters().get(1).weight().toFloats()).containsOnly(second);
        assertThat(optimizer.steps()).isEqualTo(steps);
        assertThat(optimizer.stepsTaken(0)).isEqualTo(steps);
        assertThat(optimizer.stepsTaken(1)).isEqualTo(steps);
    }
}
