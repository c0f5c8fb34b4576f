package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsTest {
    @TempDir
    Path folder;

    private Path write(String header, int dataBytes) throws IOException {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes = ByteBuffer.allocate(8 + json.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(json.length).put(json);
        return Files.write(folder.resolve("x.safetensors"), bytes.array());
    }

    @Test
    void whatIsWrittenIsRead() throws IOException {
        Path file = folder.resolve("t.safetensors");
        try (Arena arena = Arena.ofConfined()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            tensors.put("a", Tensor.of(arena, new float[] {1, -2, Float.NaN}));
            tensors.put("matrix \"quoted\" \\ ü \n 😀", Tensor.of(arena, new double[] {1, 2, 3, 4, 5, 6}, 2, 3));
            tensors.put("", Tensor.allocate(arena, DType.F32, 0, 7));
            tensors.put("scalar", Tensor.allocate(arena, DType.F64));
            Map<String, String> metadata = Map.of("key \u0001", "value / \t ü");
            Safetensors.write(file, metadata, tensors);
            Safetensors read = Safetensors.read(file);
            assertThat(read.metadata()).isEqualTo(metadata);
            assertThat(read.names()).containsExactlyInAnyOrderElementsOf(tensors.keySet());
            tensors.forEach((name, tensor) -> {
                Tensor back = read.tensor(name);
                assertThat(back.shape()).isEqualTo(tensor.shape());
                assertThat(back.dtype()).isEqualTo(tensor.dtype());
                assertThat(back.memory().mismatch(tensor.memory())).isEqualTo(-1);
                assertThat(back.memory().isReadOnly()).isTrue();
            });
        }
        try (var files = Files.list(folder)) {
            assertThat(files).containsExactly(file);
        }
    }

    @Test
    void anotherWritersFileIsRead() throws IOException {
        Path file = write(
                " {\"b\" : {\"shape\":[ 2 ],\"data_offsets\":[1, 9],\"dtype\":\"F32\"},"
                        + "\"\\u0061\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}   ",
                9);
        Safetensors read = Safetensors.read(file);
        assertThat(read.names()).containsExactly("a", "b");
        assertThat(read.tensor("b").toFloats()).as("unaligned in the file").containsExactly(0, 0);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> read.tensor("a"))
                .withMessageContaining("is U8; only [F32, F64, BF16, F16] are read");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> read.tensor("c"))
                .withMessageContaining("has no tensor 'c'");
        assertThat(Safetensors.read(write("{}", 0)).names()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{ | 0 | should have 1 bytes",
                "{'__metadata__': | 0 | '{' is expected",
                "{, | 0 | '\"' is expected",
                "{}x | 0 | nothing more is expected",
                "[] | 0 | '{' is expected",
                "{'a':1} | 0 | '{' is expected",
                "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]},} | 4 | '\"' is expected",
                "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}}"
                        + " | 5 | the tensors have 4 bytes, and the file has 5",
                "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4]}}"
                        + " | 3 | the tensors have 4 bytes, and the file has 3",
                "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,4]}} | 4 | needs 8 bytes",
                "{'a':{'dtype':'F32','shape':[1],'data_offsets':[4,0]}} | 4 | needs 4 bytes",
                "{'a':{'dtype':'F32','shape':[1],'data_offsets':[4,8]}}"
                        + " | 8 | begins at byte 4 of the data, where 0 is next",
                "{'a':{'dtype':'F32','shape':[-1],'data_offsets':[0,4]}} | 4 | a whole number is expected",
                "{'a':{'dtype':'F32','shape':[01],'data_offsets':[0,4]}} | 4 | a whole number is expected",
                "{'a':{'dtype':'F32','shape':[1.0],'data_offsets':[0,4]}} | 4 | ']' is expected",
                "{'a':{'dtype':'F32','shape':[99999999999999999999],'data_offsets':[0,4]}} | 4 | too large",
                "{'a':{'dtype':'F32','shape':[9223372036854775807,9],'data_offsets':[0,4]}} | 4 | larger than any file",
                "{'a':{'dtype':'F33','shape':[1],'data_offsets':[0,4]}} | 4 | unknown type 'F33'",
                "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0]}} | 4 | two data_offsets",
                "{'a':{'dtype':'F32','data_offsets':[0,4]}} | 4 | needs dtype, shape",
                "{'a':{'dtype':'F32','shape':[1],'data_offsets':[0,4],'x':1}} | 4 | unknown key 'x'",
                "{'a':{'dtype':'F32','dtype':'F32','shape':[1],'data_offsets':[0,4]}} | 4 | twice",
                "{'a':{'dtype':'U8','shape':[1],'data_offsets':[0,1]},"
                        + "'a':{'dtype':'U8','shape':[1],'data_offsets':[1,2]}} | 2 | 'a' stands there twice",
                "{'a':{'dtype':'U8','shape':[2],'data_offsets':[0,2]},"
                        + "'b':{'dtype':'U8','shape':[2],'data_offsets':[1,3]}} | 3 | begins at byte 1 of the data",
                "{'__metadata__':{'a':1}} | 0 | '\"' is expected",
                "{'__metadata__':{'a':'1','a':'2'}} | 0 | metadata 'a' stands there twice",
                "{'__metadata__':{},'__metadata__':{}} | 0 | twice",
                "{'a\\x':{}} | 0 | is not an escape",
                "{'\\ud800':{}} | 0 | surrogate",
                "{'\\u12g4':{}} | 0 | four hexadecimal digits",
                "{'a | 0 | the string does not end",
            })
    void whatIsNotSafetensorsIsRefused(String header, int dataBytes, String reason) throws IOException {
        Path file = write(header.replace('\'', '"'), dataBytes);
        assertThatThrownBy(() -> Safetensors.read(file))
                .isExactlyInstanceOf(CheckpointException.class)
                .hasMessageContaining(file.toString())
                .hasMessageContaining(reason);
    }

    @ParameterizedTest
    @CsvSource({"0", "7", "9", "100", "100000001", "9223372036854775807", "-1", "-9223372036854775808"})
    void theHeadersLengthIsNotBelieved(long length) throws IOException {
        ByteBuffer bytes =
                ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN).putLong(length);
        Path file = Files.write(folder.resolve("x"), bytes.array());
        assertThatThrownBy(() -> Safetensors.read(file)).isExactlyInstanceOf(CheckpointException.class);
    }

    @Test
    void anEmptyFileAndNoFileAreRefused() throws IOException {
        Path empty = Files.createFile(folder.resolve("empty"));
        assertThatThrownBy(() -> Safetensors.read(empty)).isExactlyInstanceOf(CheckpointException.class);
        assertThatThrownBy(() -> Safetensors.read(folder.resolve("none"))).isInstanceOf(IOException.class);
        assertThatThrownBy(() -> Safetensors.read(folder)).isInstanceOf(IOException.class);
    }

    @Test
    void noiseIsRefusedAndNothingElse() throws IOException {
        String valid =
                "{\"__metadata__\":{\"k\":\"v\"},\"a\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}}";
        SplittableRandom random = new SplittableRandom(3);
        for (int i = 0; i < Amount.of(3000); i++) {
            byte[] header = valid.getBytes(StandardCharsets.UTF_8);
            for (int n = 1 + random.nextInt(3); n > 0; n--) {
                header[random.nextInt(header.length)] = (byte) random.nextInt(256);
            }
            try {
                SafetensorsHeader read = SafetensorsHeader.read(header, 8);
                read.entries().values().forEach(e -> assertThat(e.end()).isLessThanOrEqualTo(8));
            } catch (CheckpointException e) {
                assertThat(e).hasMessageNotContaining("null");
            }
        }
    }
}
