package dev.gatun.jmh;

import dev.gatun.DType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** Saving and loading AdamW's weights and state. The counter {@code gigabytes} is a rate: GB/s of the file. */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
public class CheckpointBenchmark {
    private static final int PARTS = 16;

    @Param("20000000")
    public int parameters;

    private Step step;
    private Path file;
    private Path plain;
    private ByteBuffer bytes;
    private double size;

    /** How much was moved. */
    @State(Scope.Thread)
    @AuxCounters(AuxCounters.Type.OPERATIONS)
    public static class Moved {
        public double gigabytes;
    }

    @Setup
    public void open() throws IOException {
        step = new Step("adamw()", DType.F32, 1, parameters);
        file = Files.createTempDirectory("gatun-jmh").resolve("checkpoint.safetensors");
        step.optimizer.save(file);
        plain = file.resolveSibling("plain");
        size = Files.size(file) / 1e9;
        bytes = ByteBuffer.allocateDirect(Math.toIntExact(Files.size(file) / PARTS));
    }

    @TearDown
    public void close() throws IOException {
        step.close();
        Files.delete(file);
        Files.deleteIfExists(plain);
        Files.delete(file.getParent());
    }

    @Benchmark
    public void write(Moved moved) throws IOException {
        step.optimizer.save(file);
        moved.gigabytes += size;
    }

    /** As many bytes by one plain write, and what makes them last: the limit. */
    @Benchmark
    public void plainWrite(Moved moved) throws IOException {
        try (FileChannel channel = FileChannel.open(
                plain, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
            for (int part = 0; part < PARTS; part++) {
                channel.write(bytes.clear());
            }
            channel.force(true);
        }
        moved.gigabytes += size;
    }

    /** As many bytes by plain reads into memory. */
    @Benchmark
    public void plainRead(Moved moved) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            while (channel.read(bytes.clear()) > 0) {
                // the next part
            }
        }
        moved.gigabytes += size;
    }

    @Benchmark
    public void read(Moved moved) throws IOException {
        step.optimizer.load(file);
        moved.gigabytes += size;
    }
}
