package dev.gatun.jmh;

import dev.gatun.DType;
import dev.gatun.Optimizer;
import dev.gatun.Rule;
import dev.gatun.bindings.GatunC;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Field;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * The phases of a step one by one, on one thread; NSGD without inputs. Together, in order, they are the step. Before each
 * rule and type a line says how many bytes that moves and how long a loop takes which only moves them.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class PhaseBenchmark {
    /** In which order the C functions run, and what runs around the one that is timed. */
    public enum Phase {
        REDUCE,
        FINALIZE,
        APPLY
    }

    @Param({
        "adamw()", "adam()", "sgd(lr=0.01, momentum=0.9)", "adabelief()", "radam()", "pnm(lr=0.01)", "adapnm()",
        "generic_adam()", "sing(softplus=0, lookahead=0)", "sing()", "aida()", "ladam()", "ladabelief()", "adal()", "lamb()",
        "lars(lr=0.01)", "adamp()", "sgdp(lr=0.01)", "nsgd(lr=0.01)"
    })
    public String rule;

    @Param({"F32", "F64", "BF16"})
    public DType dtype;

    @Param
    public Phase phase;

    @Param("1000000")
    public int length;

    private Step step;
    private MemorySegment plan;
    private MemorySegment arguments;

    @Setup
    public void open() throws ReflectiveOperationException {
        step = new Step(rule, dtype, 1, length);
        Object steps = field(step.optimizer, Optimizer.class, "steps");
        Object inner = field(steps, steps.getClass(), "plan");
        plan = (MemorySegment) field(inner, inner.getClass(), "plan");
        arguments = (MemorySegment) field(inner, inner.getClass(), "arguments");
        double bytes = Rule.parse(rule).bytesPerParameter(dtype, true);
        System.out.printf(
                "%s %s: a step moves %.1f bytes per parameter, for which a loop that computes nothing needs %.1f us%n",
                rule, dtype, bytes, bytes * length / step.bytesPerMicrosecond());
    }

    private static Object field(Object of, Class<?> type, String name) throws ReflectiveOperationException {
        Field field = type.getDeclaredField(name);
        field.setAccessible(true);
        return field.get(of);
    }

    @Setup(Level.Invocation)
    public void before() {
        for (Phase earlier : Phase.values()) {
            if (earlier.ordinal() < phase.ordinal()) {
                call(earlier);
            }
        }
    }

    @TearDown(Level.Invocation)
    public void after() {
        for (Phase later : Phase.values()) {
            if (later.ordinal() > phase.ordinal()) {
                call(later);
            }
        }
    }

    @TearDown
    public void close() {
        step.close();
    }

    @Benchmark
    public void run() {
        call(phase);
    }

    private void call(Phase which) {
        int status = switch (which) {
            case REDUCE -> GatunC.gatun_reduce(plan, arguments);
            case FINALIZE -> GatunC.gatun_finalize(plan, arguments);
            case APPLY -> GatunC.gatun_apply(plan, arguments);
        };
        if (status != 0) {
            throw new IllegalStateException(which + " failed with status " + status);
        }
    }
}
