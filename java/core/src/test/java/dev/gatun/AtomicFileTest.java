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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Fails the n-th call of a save, for every n: the file that was there stays whole, or the new one is. */
class AtomicFileTest {
    @TempDir
    Path folder;

    /** Writes 97 bytes at a time, and fails at one of the calls. */
    private static final class Failing implements FileCalls {
        private final int at;
        private final List<String> calls = new ArrayList<>();

        Failing(int at) {
            this.at = at;
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
            call("write");
            int limit = bytes.limit();
            bytes.limit(Math.min(limit, bytes.position() + 97));
            int written = FileCalls.super.write(channel, bytes);
            bytes.limit(limit);
            return written;
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
    }

    @Test
    void whateverCallFailsAWholeFileIsThere() throws IOException {
        Path file = folder.resolve("run.safetensors");
        try (Device device = Device.cpu(1);
                Arena arena = Arena.ofConfined()) {
            Tensor weight = Tensor.of(arena, new float[50]);
            try (Optimizer optimizer =
                    Optimizer.of(device, Sgd.of(1).withMomentum(0.9), List.of(Parameter.of("w", weight)))) {
                optimizer.save(file);
                weight.set(0, 1);
                Failing counting = new Failing(-1);
                optimizer.save(folder.resolve("other"), true, counting);
                assertThat(counting.calls).startsWith("create", "write").endsWith("force", "move", "forceFolder");
                int calls = counting.calls.size();
                assertThat(calls).isGreaterThan(8);
                for (int at = 1; at <= calls; at++) {
                    int failing = at;
                    assertThatThrownBy(() -> optimizer.save(file, true, new Failing(failing)))
                            .isInstanceOf(IOException.class)
                            .hasMessageContaining("call " + failing);
                    float first =
                            Checkpoint.read(file).weight("w").orElseThrow().toFloats()[0];
                    assertThat(first).as("call %d of %d", at, calls).isEqualTo(at == calls ? 1 : 0);
                    assertThat(folder.resolve("run.safetensors.tmp")).doesNotExist();
                }
                optimizer.save(file);
                assertThat(Checkpoint.read(file).weight("w").orElseThrow().toFloats()[0])
                        .isEqualTo(1);
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
