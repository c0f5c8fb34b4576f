package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Fails the n-th call of a save, for every n: the file that was there stays whole, or the new one is. */
class AtomicFileTest {
    @TempDir
    Path folder;

    /** How the call that is to fail does so. */
    private enum Way {
        AT_ONCE,
        /** A write leaves some bytes behind before. */
        HALF_DONE,
        /** A write takes no bytes, and says so. */
        TAKES_NOTHING,
        /** What is left behind cannot be removed either. */
        AND_THE_REMOVAL_TOO
    }

    /** Writes a few bytes at a time, and fails at one of the calls. */
    private static final class Failing implements FileCalls {
        private final int at;
        private final int piece;
        private final Way way;
        private final List<String> calls = new ArrayList<>();

        Failing(int at, int piece, Way way) {
            this.at = at;
            this.piece = piece;
            this.way = way;
        }

        private void call(String name) throws IOException {
            calls.add(name);
            if (calls.size() == at) {
                throw new IOException("call " + at + ", " + name + ", fails on purpose");
            }
        }

        @Override
        public FileChannel create(Path file) throws IOException {
            call("create");
            return FileCalls.super.create(file);
        }

        @Override
        public int write(FileChannel channel, ByteBuffer bytes) throws IOException {
            int limit = bytes.limit();
            boolean fails = calls.size() + 1 == at;
            if (fails && way == Way.TAKES_NOTHING) {
                calls.add("write");
                return 0;
            }
            if (!fails || way == Way.HALF_DONE) {
                bytes.limit(Math.min(limit, bytes.position() + (fails ? piece / 2 : piece)));
                int written = FileCalls.super.write(channel, bytes);
                bytes.limit(limit);
                call("write");
                return written;
            }
            call("write");
            throw new AssertionError("not reached");
        }

        @Override
        public void force(FileChannel channel) throws IOException {
            call("force");
            FileCalls.super.force(channel);
        }

        @Override
        public void move(Path from, Path to) throws IOException {
            call("move");
            FileCalls.super.move(from, to);
        }

        @Override
        public void forceFolder(Path folder) throws IOException {
            call("forceFolder");
            FileCalls.super.forceFolder(folder);
        }

        @Override
        public void delete(Path file) throws IOException {
            if (way == Way.AND_THE_REMOVAL_TOO) {
                throw new IOException("the removal fails, too");
            }
            FileCalls.super.delete(file);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "97, AT_ONCE",
        "97, HALF_DONE",
        "97, TAKES_NOTHING",
        "97, AND_THE_REMOVAL_TOO",
        "13, HALF_DONE",
        "100000, AT_ONCE"
    })
    void whateverCallFailsAWholeFileIsThere(int piece, Way way) throws IOException {
        Path file = folder.resolve("run.safetensors");
        try (Device device = Device.cpu(1);
                Arena arena = Arena.ofConfined()) {
            Tensor weight = Tensor.of(arena, new float[50]);
            try (Optimizer optimizer =
                    Optimizer.of(device, Sgd.of(1).withMomentum(0.9), List.of(Parameter.of("w", weight)))) {
                optimizer.save(file);
                weight.set(0, 1);
                Failing counting = new Failing(-1, piece, way);
                optimizer.save(folder.resolve("other"), true, counting);
                Files.delete(folder.resolve("other"));
                assertThat(counting.calls).startsWith("create", "write").endsWith("force", "move", "forceFolder");
                int calls = counting.calls.size();
                assertThat(calls).isGreaterThan(piece > 1000 ? 4 : 8);
                for (int at = 1; at <= calls; at++) {
                    fails(optimizer, file, new Failing(at, piece, way), calls);
                }
                optimizer.save(file);
                assertThat(Checkpoint.read(file).weight("w").orElseThrow().toFloats()[0])
                        .isEqualTo(1);
                try (Stream<Path> files = Files.list(folder)) {
                    assertThat(files).as("files once a save has succeeded").containsExactly(file);
                }
            }
        }
    }

    private static void fails(Optimizer optimizer, Path file, Failing failing, int calls) throws IOException {
        int at = failing.at;
        assertThatThrownBy(() -> optimizer.save(file, true, failing))
                .isInstanceOf(IOException.class)
                .message()
                .containsAnyOf("call " + at + ", ", "takes no more bytes");
        float first = Checkpoint.read(file).weight("w").orElseThrow().toFloats()[0];
        assertThat(first).as("call %d of %d", at, calls).isEqualTo(at == calls ? 1 : 0);
        if (failing.way != Way.AND_THE_REMOVAL_TOO) {
            try (Stream<Path> files = Files.list(file.getParent())) {
                assertThat(files).as("call %d of %d", at, calls).containsExactly(file);
            }
        }
    }

    @Test
    void aMissingFolderAndAFolderInPlaceAreNamed() throws IOException {
        try (Device device = Device.cpu(1);
                Optimizer optimizer = Optimizer.of(device, Sgd.of(1), List.of())) {
            assertThatThrownBy(() -> optimizer.save(folder.resolve("none/run")))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("none");
            Path there = Files.createDirectory(folder.resolve("there"));
            Files.createFile(there.resolve("something"));
            assertThatThrownBy(() -> optimizer.save(there))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("there");
            assertThat(there.resolve("something")).exists();
        }
    }
}
