package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * Every input that Jazzer kept because it reached something new, and noise around each. {@code mvn verify -Pnightly}
 * lets Jazzer itself go on from them; what it finds belongs into {@code src/test/resources/fuzz}.
 */
class FuzzCorpusTest {
    private static final Path CORPUS = Path.of("src/test/resources/fuzz");
    private static final int NOISY = Amount.of(20);

    private interface Target {
        void accept(byte[] input) throws IOException;
    }

    @TestFactory
    Stream<DynamicTest> whatJazzerKeptIsReadOrRefused() throws IOException {
        return Stream.of(
                        corpus("safetensors", SafetensorsFuzz::fuzzerTestOneInput),
                        corpus("checkpoint", CheckpointFuzz::fuzzerTestOneInput),
                        corpus("specification", SpecificationFuzz::fuzzerTestOneInput))
                .flatMap(tests -> tests);
    }

    private static Stream<DynamicTest> corpus(String folder, Target target) throws IOException {
        List<Path> files;
        try (Stream<Path> all = Files.list(CORPUS.resolve(folder))) {
            files = all.sorted().toList();
        }
        assertThat(files).hasSizeGreaterThan(10);
        return files.stream()
                .map(file -> DynamicTest.dynamicTest(folder + "/" + file.getFileName(), () -> {
                    byte[] input = Files.readAllBytes(file);
                    target.accept(input);
                    SplittableRandom random =
                            new SplittableRandom(file.getFileName().hashCode());
                    for (int i = 0; i < NOISY && input.length > 0; i++) {
                        byte[] noisy = input.clone();
                        for (int changes = 1 + random.nextInt(3); changes > 0; changes--) {
                            noisy[random.nextInt(noisy.length)] = (byte) random.nextInt(256);
                        }
                        target.accept(noisy);
                    }
                }));
    }

    /** A corpus of nothing but rejects would show nothing. */
    @Test
    void theSeedIsLoadedAndAnotherIsNot() throws IOException {
        byte[] seed = Files.readAllBytes(CORPUS.resolve("checkpoint/seed"));
        assertThat(CheckpointFuzz.loads(seed)).isTrue();
        String text = new String(seed, StandardCharsets.ISO_8859_1);
        assertThat(text).contains("\"steps\":\"2\"");
        byte[] other = text.replace("\"steps\":\"2\"", "\"steps\":\"x\"").getBytes(StandardCharsets.ISO_8859_1);
        assertThat(CheckpointFuzz.loads(other)).isFalse();
    }
}
