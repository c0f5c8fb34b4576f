package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A step makes no garbage, on no device. */
@Tag("device")
class AllocationTest {
    @Test
    void aStepAllocatesNothing() throws Throwable {
        try (Device device = TestDevice.open(1);
                Run run = new Run(new Subject("lookahead(sing(adamw(weight_decay=0.1)))", DType.F32, null), device)) {
            run.bindAll(1);
            requireNothing(TestDevice.isEmulated() ? 100 : 1000, run.optimizer::step);
        }
    }

    @Test
    void aMirroredStepAllocatesNothing() throws Throwable {
        try (Arena arena = Arena.ofConfined();
                Device device = TestDevice.open(1)) {
            Parameter parameter = Parameter.of("w", Tensor.allocate(arena, DType.F32, 3, 5));
            try (Mirror mirror = Mirror.of(device, List.of(parameter));
                    Optimizer optimizer = Optimizer.of(device, Sgd.of(0.1), mirror.parameters())) {
                mirror.bindGradient(optimizer, 0, Tensor.allocate(arena, DType.F32, 3, 5));
                requireNothing(1000, () -> mirror.step(optimizer));
            }
        }
    }

    @Test
    void neitherDoesOneThatIsWatchedScaledAndMeasured() throws Throwable {
        long[] heard = new long[1];
        OptimizerListener listener = new OptimizerListener() {
            @Override
            public void stepped(Optimizer optimizer, long step) {
                heard[0] = step;
            }
        };
        try (Device device = TestDevice.open(1);
                Run run = new Run(
                        new Subject("adamw()", DType.F32, null),
                        device,
                        builder -> builder.listener(listener).lossScaling(LossScaling.dynamic()))) {
            run.bindAll(1);
            run.optimizer.reportNorms(Norms.GRADIENTS_AND_UPDATES);
            requireNothing(TestDevice.isEmulated() ? 100 : 1000, () -> {
                run.optimizer.lossScale();
                run.optimizer.step();
            });
            assertThat(heard[0]).isEqualTo(run.optimizer.steps());
        }
    }

    /** Learning rates are asked for within the step. */
    @Test
    void noScheduleAllocates() throws Throwable {
        Schedule[] schedules = Stream.of(
                        "warmup(9)+constant(90)+cosine",
                        "polynomial(900, 0.9)",
                        "onecycle",
                        "step(7, 0.9)",
                        "multistep(20, 200, 0.5)",
                        "warmup(3)+plateau(patience=0, factor=0.5)")
                .map(text -> Schedule.parse(text, 1000))
                .toArray(Schedule[]::new);
        schedules[5].observe(1);
        schedules[5].observe(2);
        long[] step = {0};
        double[] sum = {0};
        requireNothing(1000, () -> {
            step[0]++;
            for (Schedule schedule : schedules) {
                sum[0] += schedule.rate(step[0], 0.1);
            }
        });
        assertThat(sum[0]).isPositive();
    }

    /** Rounds of steps until one has made none: before the JIT has compiled a downcall, it boxes what it passes. */
    private static void requireNothing(int steps, Runnable step) throws Throwable {
        MethodHandle allocated = allocatedBytes();
        long bytes = Long.MAX_VALUE;
        for (int round = 0; round < 30 && bytes >= 1000; round++) {
            long before = (long) allocated.invoke();
            for (int i = 0; i < steps; i++) {
                step.run();
            }
            bytes = (long) allocated.invoke() - before;
        }
        assertThat(bytes)
                .as("bytes in %d steps, those of the measurement included", steps)
                .isLessThan(1000);
    }

    /** com.sun.management.ThreadMXBean, in a module that the tested one does not read. */
    static MethodHandle allocatedBytes() throws ReflectiveOperationException {
        Object bean = Class.forName("java.lang.management.ManagementFactory")
                .getMethod("getThreadMXBean")
                .invoke(null);
        Class<?> type = Class.forName("com.sun.management.ThreadMXBean");
        return MethodHandles.publicLookup()
                .unreflect(type.getMethod("getCurrentThreadAllocatedBytes"))
                .bindTo(bean);
    }
}
