package dev.gatun.jmh;

import dev.gatun.DType;
import dev.gatun.bindings.GatunC;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** What must be near nothing: an empty downcall, and a step whose tensors have one element each. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class HostBenchmark {
    /** A step over {@code tensors} tensors. */
    @State(Scope.Thread)
    public static class Tensors {
        @Param({"1", "161", "10000"})
        public int tensors;

        Step step;

        @Setup
        public void open() {
            step = new Step("adamw()", DType.F32, tensors, 1);
        }

        @TearDown
        public void close() {
            step.close();
        }
    }

    @Benchmark
    public int downcall() {
        return GatunC.gatun_abi_version();
    }

    @Benchmark
    public void step(Tensors of) {
        of.step.optimizer.step();
    }
}
