package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** A save that the operating system itself refuses: the error is its own, the old file stays, nothing else is left. */
@EnabledOnOs(OS.LINUX)
class FullDiskTest {
    @TempDir
    Path folder;

    /** Sends what goes beyond the disk's size to /dev/full, which answers as a full disk does. */
    private record Disk(int bytes) implements FileCalls {
        @Override
        public int write(FileChannel channel, ByteBuffer source) throws IOException {
            int free = bytes - (int) channel.position();
            if (free == 0) {
                try (FileChannel full = FileChannel.open(Path.of("/dev/full"), StandardOpenOption.WRITE)) {
                    return full.write(source);
                }
            }
            int limit = source.limit();
            source.limit(Math.min(limit, source.position() + free));
            int written = FileCalls.super.write(channel, source);
            source.limit(limit);
            return written;
        }
    }

    private static Optimizer optimizer(Device device, Arena arena, float value) {
        float[] values = new float[20_000];
        values[0] = value;
        return Optimizer.of(device, Sgd.of(1).withMomentum(0.9), List.of(Parameter.of("w", Tensor.of(arena, values))));
    }

    @Test
    void aFullDiskKeepsTheOldFile() throws IOException {
        Path file = folder.resolve("run.safetensors");
        try (Device device = Device.cpu(1);
                Arena arena = Arena.ofConfined();
                Optimizer optimizer = optimizer(device, arena, 1)) {
            optimizer.save(file);
            optimizer.parameters().getFirst().weight().set(0, 2);
            int size = (int) Files.size(file);
            for (int free = 0; free < size; free += free < 1000 ? 97 : 16_111) {
                Disk disk = new Disk(free);
                assertThatThrownBy(() -> optimizer.save(file, true, disk))
                        .as("%d of %d bytes", free, size)
                        .isInstanceOf(IOException.class)
                        .hasMessageContaining("No space left on device");
                requireOnly(file, 1);
            }
            optimizer.save(file, true, new Disk(size));
            requireOnly(file, 2);
        }
    }

    private static void requireOnly(Path file, float value) throws IOException {
        assertThat(Checkpoint.read(file).weight("w").orElseThrow().get(0)).isEqualTo(value);
        try (var files = Files.list(file.getParent())) {
            assertThat(files).containsExactly(file);
        }
    }

    @Test
    void aFileThatMayNotGrowKeepsTheOldOne() throws Exception {
        refusedInAChild("size", "File too large");
    }

    @Test
    void aFolderThatMayNotBeWrittenKeepsTheOldFile() throws Exception {
        refusedInAChild("permission", "AccessDeniedException");
    }

    private void refusedInAChild(String what, String words) throws Exception {
        Path file = Files.createDirectory(folder.resolve("runs")).resolve("run.safetensors");
        ChildJvm.Result result = ChildJvm.run(folder, ChildJvm.main(Refused.class, what, file.toString()));
        Files.setPosixFilePermissions(file.getParent(), PosixFilePermissions.fromString("rwx------"));
        assertThat(result.exit()).as(result.output()).isZero();
        assertThat(result.output()).contains(words);
        requireOnly(file, 1);
    }

    /** Saves, takes a right from itself, saves again. */
    static final class Refused {
        private Refused() {}

        public static void main(String[] arguments) throws Throwable {
            Path file = Path.of(arguments[1]);
            try (Device device = Device.cpu(1);
                    Arena arena = Arena.ofConfined();
                    Optimizer optimizer = optimizer(device, arena, 1)) {
                optimizer.save(file);
                optimizer.parameters().getFirst().weight().set(0, 2);
                if (arguments[0].equals("size")) {
                    limitFiles(arena, 50_000);
                } else {
                    Files.setPosixFilePermissions(file.getParent(), PosixFilePermissions.fromString("r-x------"));
                    dropCapabilities(arena); // those by which root writes everywhere
                }
                try {
                    optimizer.save(file);
                    System.exit(1);
                } catch (IOException e) {
                    System.out.println(e);
                }
            }
        }

        /** setrlimit(RLIMIT_FSIZE): writes beyond fail with EFBIG. */
        private static void limitFiles(Arena arena, long bytes) throws Throwable {
            MemorySegment limit = arena.allocateFrom(ValueLayout.JAVA_LONG, bytes, bytes);
            MethodHandle call = function("setrlimit", ValueLayout.JAVA_INT, ValueLayout.ADDRESS);
            require((int) call.invokeExact(1, limit));
        }

        /** capset for this thread; version 3 of the header has two sets of three words. */
        private static void dropCapabilities(Arena arena) throws Throwable {
            MemorySegment header = arena.allocateFrom(ValueLayout.JAVA_INT, 0x20080522, 0);
            MemorySegment none = arena.allocate(24, 4);
            MethodHandle call = function("capset", ValueLayout.ADDRESS, ValueLayout.ADDRESS);
            require((int) call.invokeExact(header, none));
        }

        private static MethodHandle function(String name, MemoryLayout... arguments) {
            Linker linker = Linker.nativeLinker();
            return linker.downcallHandle(
                    linker.defaultLookup().findOrThrow(name), FunctionDescriptor.of(ValueLayout.JAVA_INT, arguments));
        }

        private static void require(int result) {
            if (result != 0) {
                throw new AssertionError("a call of the operating system answers " + result);
            }
        }
    }
}
