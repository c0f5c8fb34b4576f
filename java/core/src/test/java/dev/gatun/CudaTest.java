package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A CUDA device as Java sees it: that it is one, its memory, its stream, its order. */
@Tag("cuda")
class CudaTest {
    private static final float[] TARGET = {1, -2, 3, 0.5f, 7, 0};

    @Test
    void theSuitesReallyRunOnCuda() {
        assertThat(TestDevice.isCuda()).as("-Dgatun.test.device=cuda").isTrue();
        try (Device device = TestDevice.open(1)) {
            assertThat(device.kind()).isEqualTo(Device.Kind.CUDA);
            assertThat(device.threads()).isPositive();
            assertThat(device.isa()).isNull();
            assertThat(device.toString()).contains("CUDA", device.name());
            CudaRuntime emulator = CudaRuntime.emulator();
            assertThat(emulator != null).isEqualTo(TestDevice.isEmulated());
            long launches = emulator == null ? 0 : emulator.launches();
            try (Run run = new Run(new Subject("adamw(lr=0.01)", DType.F32, null), device)) {
                byte[] before = run.bits();
                run.steps(1, 1);
                assertThat(run.bits()).isNotEqualTo(before);
            }
            assertThat(emulator == null || emulator.launches() > launches)
                    .as("kernels were launched")
                    .isTrue();
        }
        try (Device best = Device.best()) {
            assertThat(best.kind()).isEqualTo(Device.Kind.CUDA);
            assertThat(best.whyNotCuda()).isEmpty();
        }
    }

    /**
     * Least squares without a framework and without the host: a copy makes the gradient w, and a step of SGD with the
     * target as "gradient" makes it w - target. All in the order of one stream; nobody waits before the end.
     */
    @Test
    void aTrainingLoopStaysOnTheCardAndGivesTheCpusBits() {
        Rule rule = Rule.parse("sing(adamw(lr=0.05, weight_decay=0.01), center=false)");
        float[] onCpu = leastSquares(Device.cpu(1), rule, 40);
        assertThat(onCpu[0]).isNotZero();
        assertThat(leastSquares(Device.cuda(0), rule, 40)).isEqualTo(onCpu);
    }

    private static float[] leastSquares(Device opened, Rule rule, int steps) {
        try (Arena arena = Arena.ofConfined();
                Device device = opened;
                DeviceMemory memory = device.allocate(3 * 256)) {
            Tensor w = vector(device, memory, 0);
            Tensor g = vector(device, memory, 1);
            Tensor target = vector(device, memory, 2);
            device.copy(target.memory(), Tensor.of(arena, TARGET).memory());
            try (Optimizer difference = Optimizer.of(device, Sgd.of(1), List.of(Parameter.of("g", g)));
                    Optimizer optimizer = Optimizer.of(device, rule, List.of(Parameter.of("w", w)))) {
                difference.bindGradient(0, target);
                optimizer.bindGradient(0, g);
                for (int step = 0; step < steps; step++) {
                    device.copy(g.memory(), w.memory());
                    difference.step();
                    optimizer.step();
                }
                assertThat(optimizer.report().skipped()).isFalse();
            }
            Tensor result = Tensor.allocate(arena, DType.F32, TARGET.length);
            device.copy(result.memory(), w.memory());
            device.synchronize();
            return result.toFloats();
        }
    }

    private static Tensor vector(Device device, DeviceMemory memory, int index) {
        return new Tensor(
                memory.segment().asSlice(256L * index, 4L * TARGET.length), DType.F32, device.kind(), TARGET.length);
    }

    @Test
    void everythingHappensOnTheCallersStream() {
        CudaRuntime runtime = CudaRuntime.find();
        MemorySegment stream = runtime.createStream();
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cuda(0, stream);
                DeviceMemory memory = device.allocate(1024);
                DeviceMemory pinned = device.allocatePinned(64)) {
            Tensor w = vector(device, memory, 0);
            Tensor g = vector(device, memory, 1);
            device.copy(g.memory(), Tensor.of(arena, TARGET).memory());
            try (Optimizer optimizer = Optimizer.of(device, Sgd.of(1), List.of(Parameter.of("w", w)))) {
                optimizer.bindGradient(0, g);
                optimizer.step();
                device.copy(pinned.segment().asSlice(0, 24), w.memory());
                runtime.synchronize(stream); // the caller's way to wait, not ours
                assertThat(pinned.segment().get(ValueLayout.JAVA_FLOAT, 4)).isEqualTo(2);
            }
        }
        runtime.synchronize(stream); // the device has not destroyed it
        runtime.destroyStream(stream);
    }

    @Test
    void aCapturedStepReplaysWithFreshValues() {
        CudaRuntime runtime = CudaRuntime.find();
        MemorySegment stream = runtime.createStream();
        Rule rule = Rule.parse("lookahead(adamw(lr=0.1), k=3)");
        Schedule schedule = Schedule.warmup(4).then(Schedule.step(3, 0.5));
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cuda(0, stream);
                Device cpu = Device.cpu(1);
                DeviceMemory memory = device.allocate(1024)) {
            Tensor w = vector(device, memory, 0);
            Tensor g = vector(device, memory, 1);
            Tensor moved = vector(device, memory, 2);
            Tensor host = Tensor.allocate(arena, DType.F32, TARGET.length);
            Tensor gradient = Tensor.of(arena, TARGET);
            device.copy(g.memory(), gradient.memory());
            device.copy(moved.memory(), gradient.memory());
            try (Optimizer actual = optimizer(device, rule, schedule, w);
                    Optimizer expected = optimizer(cpu, rule, schedule, host)) {
                expected.bindGradient(0, gradient);
                actual.bindGradient(0, g);
                actual.step();
                expected.step();
                runtime.beginCapture(stream);
                actual.captureStep();
                MemorySegment graph = runtime.endCapture(stream);
                assertThat(actual.steps()).as("a capture is no step").isEqualTo(1);
                for (int step = 2; step <= 9; step++) {
                    for (Optimizer each : List.of(actual, expected)) {
                        each.gradientScale(1.0 / step);
                    }
                    if (step == 6) {
                        actual.bindGradient(0, moved);
                    }
                    actual.prepareReplay();
                    runtime.launch(graph, stream);
                    expected.step();
                    assertThat(actual.report().step()).isEqualTo(step);
                    assertThat(floats(arena, device, w)).as("replay %d", step).isEqualTo(host.toFloats());
                }
                assertThat(actual.stepsTaken(0)).isEqualTo(9);
                assertThatIllegalStateException()
                        .isThrownBy(expected::prepareReplay)
                        .withMessageContaining("CPU cannot be captured");
                runtime.destroyGraph(graph);
            }
        }
        runtime.destroyStream(stream);
    }

    private static Optimizer optimizer(Device device, Rule rule, Schedule schedule, Tensor weight) {
        return Optimizer.builder(device)
                .group(ParameterGroup.of(rule, List.of(Parameter.of("w", weight)))
                        .withSchedule(schedule))
                .build();
    }

    private static float[] floats(Arena arena, Device device, Tensor tensor) {
        Tensor host = Tensor.allocate(arena, tensor.dtype(), tensor.shape());
        device.copy(host.memory(), tensor.memory());
        device.synchronize();
        return host.toFloats();
    }

    @Test
    void hostTensorsAreRefusedByName() {
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cuda(0)) {
            Tensor host = Tensor.of(arena, TARGET);
            assertThatThrownBy(() -> Optimizer.of(device, Sgd.of(1), List.of(Parameter.of("w", host))))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("the weight of 'w' is in memory of CPU")
                    .hasMessageContaining("Mirror");
        }
    }

    @Test
    void memoryIsZeroedAndOutlivesItsDevice() {
        Device device = Device.cuda(0);
        DeviceMemory memory = device.allocate(1000);
        DeviceMemory pinned = device.allocatePinned(1000);
        pinned.segment().fill((byte) 7);
        assertThat(memory.segment().address() % 256).isZero();
        device.copy(pinned.segment(), memory.segment());
        device.synchronize();
        assertThat(pinned.segment().toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
        MemorySegment segment = memory.segment();
        device.close();
        assertThatIllegalStateException().isThrownBy(() -> device.copy(segment, pinned.segment()));
        assertThatIllegalStateException().isThrownBy(() -> device.allocate(8));
        memory.close();
        memory.close();
        assertThatIllegalStateException().isThrownBy(() -> segment.get(ValueLayout.JAVA_BYTE, 0));
        pinned.close();
        try (Device again = Device.cuda(0)) {
            assertThatIllegalStateException().isThrownBy(() -> again.copy(segment, segment));
            assertThatThrownBy(() -> again.allocate(1L << 60))
                    .isInstanceOf(GatunException.class)
                    .hasMessageContaining("cudaErrorMemoryAllocation (2)");
        }
    }

    @Test
    void anEarlyClosedDeviceIsNoCrash() {
        Device device = Device.cuda(0);
        try (Run run = new Run(new Subject("sgd(lr=0.1)", DType.F32, null), device)) {
            run.steps(1, 1);
            device.close();
            assertThatIllegalStateException().isThrownBy(run.optimizer::step).withMessageContaining("device is closed");
        }
    }

    /** Two devices are two streams over the same card, and give the same bits. */
    @Test
    void devicesDoNotDisturbEachOther() {
        Subject subject = new Subject("sing(lr=0.01, weight_decay=0.5)", DType.F32, null);
        try (Device one = Device.cuda(0);
                Device other = Device.cuda(0);
                Device cpu = Device.cpu(1);
                Run first = new Run(subject, one);
                Run second = new Run(subject, other)) {
            for (int step = 1; step <= 6; step++) {
                first.steps(step, step);
                second.steps(step, step);
            }
            assertThat(Arrays.equals(first.bits(), second.bits())).isTrue();
            try (Run expected = new Run(subject, cpu)) {
                expected.steps(1, 6);
                assertThat(Arrays.equals(first.bits(), expected.bits())).isTrue();
            }
        }
    }

    /** While addresses stay, a step is one small copy and two launches for any number of tensors. */
    @Test
    void theHostsWorkDoesNotGrowWithTheTensors() {
        CudaRuntime emulator = CudaRuntime.emulator();
        Assumptions.assumeTrue(emulator != null, "only the emulator counts calls");
        long few = callsOfAStep(emulator, 2);
        assertThat(callsOfAStep(emulator, 300)).isEqualTo(few);
    }

    private static long callsOfAStep(CudaRuntime emulator, int tensors) {
        long[][] shapes = new long[tensors][];
        Arrays.fill(shapes, new long[] {3});
        try (Device device = Device.cuda(0);
                Problem problem = new Problem(DType.F32, device, shapes);
                Optimizer optimizer = Optimizer.of(device, Adam.of(0.01), problem.parameters)) {
            optimizer.bindGradients(problem.bindable());
            optimizer.step();
            emulator.failAt(0, 0);
            optimizer.step();
            return emulator.calls();
        }
    }
}
