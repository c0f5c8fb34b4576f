package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class DeviceTest {
    static Stream<Arguments> configurations() {
        return Stream.of(1, 2, 3, 16)
                .flatMap(threads -> Stream.of(Device.Isa.values()).map(isa -> Arguments.of(threads, isa)));
    }

    @ParameterizedTest
    @MethodSource("configurations")
    void threadsAndInstructionSetsGiveTheSameBits(int threads, Device.Isa isa) {
        try (Device one = Device.cpu(1, Device.Isa.SCALAR);
                Device other = open(threads, isa)) {
            assertThat(other.threads()).isEqualTo(threads);
            assertThat(other.isa()).isEqualTo(isa);
            Subject.all(null).forEach(subject -> {
                try (Run scalar = new Run(subject, one);
                        Run run = new Run(subject, other)) {
                    scalar.steps(1, 7);
                    run.steps(1, 7);
                    assertThat(Arrays.equals(run.bits(), scalar.bits()))
                            .as(subject.toString())
                            .isTrue();
                    assertThat(run.optimizer.report()).isEqualTo(scalar.optimizer.report());
                }
            });
        }
    }

    private static Device open(int threads, Device.Isa isa) {
        try {
            return Device.cpu(threads, isa);
        } catch (DeviceUnavailableException e) {
            Assumptions.abort(e.getMessage());
            throw e;
        }
    }

    @Test
    void saysWhatItIs() {
        try (Device device = Device.cpu(2)) {
            assertThat(device.kind()).isEqualTo(Device.Kind.CPU);
            assertThat(device.name()).isNotBlank();
            assertThat(device.threads()).isEqualTo(2);
            assertThat(device.memoryBytes()).isGreaterThan(1L << 28);
            assertThat(device.toString()).contains("CPU", "2 threads");
            assertThat(device.whyNotCuda()).isEmpty();
        }
    }

    @Test
    void cudaIsThereOrSaysWhyNot() {
        CudaStatus status = Device.cudaStatus();
        if (status.reason() == null) {
            assertThat(status.devices()).isPositive();
            Device.cuda(0).close();
            return;
        }
        assertThat(status.devices()).isZero();
        assertThat(status.reason()).isNotBlank();
        assertThatThrownBy(() -> Device.cuda(0))
                .isExactlyInstanceOf(DeviceUnavailableException.class)
                .hasMessageContaining(status.reason());
        try (Device best = Device.best()) {
            assertThat(best.kind()).isEqualTo(Device.Kind.CPU);
            assertThat(best.whyNotCuda()).contains(status.reason());
        }
    }

    @Test
    void argumentsAreChecked() {
        assertThatIllegalArgumentException().isThrownBy(() -> Device.cpu(-1)).withMessageContaining("threads", "-1");
        assertThatIllegalArgumentException().isThrownBy(() -> Device.cuda(-1)).withMessageContaining("ordinal", "-1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Device.Isa.parse("sse"))
                .withMessageContaining("'sse'");
        assertThat(Device.Isa.parse("avx2")).isEqualTo(Device.Isa.AVX2);
    }

    @Test
    void memoryIsZeroedAlignedAndFreed() {
        try (Device device = Device.cpu(1)) {
            DeviceMemory memory = device.allocate(1000);
            MemorySegment segment = memory.segment();
            try (memory) {
                assertThat(segment.byteSize()).isEqualTo(1000);
                assertThat(segment.address() % 256).isZero();
                assertThat(segment.toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment source = arena.allocate(1000).fill((byte) 7);
                    device.copy(segment, source);
                    device.synchronize();
                    assertThat(segment.mismatch(source)).isEqualTo(-1);
                    assertThatIllegalArgumentException()
                            .isThrownBy(() -> device.copy(segment, source.asSlice(1)))
                            .withMessageContaining("1000 bytes and source has 999");
                    assertThatIllegalArgumentException()
                            .isThrownBy(() -> device.copy(segment.asReadOnly(), source))
                            .withMessageContaining("read-only");
                }
            }
            memory.close(); // again
            assertThatIllegalStateException().isThrownBy(() -> segment.get(ValueLayout.JAVA_BYTE, 0));
            assertThatIllegalArgumentException().isThrownBy(() -> device.allocate(-1));
            assertThatThrownBy(() -> device.allocate(1L << 60)).isInstanceOf(GatunException.class);
        }
    }

    @Test
    void trafficKeepsEveryBit() {
        try (Device device = Device.cpu(2);
                Arena arena = Arena.ofConfined()) {
            Tensor a = Tensor.of(arena, new float[] {1, -2, 3.5f});
            Tensor b = Tensor.of(arena, new float[] {Float.NaN, -0f, 5});
            byte[] before = Problem.bits(List.of(a, b));
            device.traffic(List.of(a.memory(), b.memory()), 1, 3, DType.F32);
            assertThat(Problem.bits(List.of(a, b))).isEqualTo(before);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> device.traffic(List.of(a.memory()), 1, 4, DType.F32))
                    .withMessageContaining("arrays[0] has 12");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> device.traffic(List.of(a.memory()), 2, 3, DType.F32))
                    .withMessageContaining("written");
        }
    }

    @Test
    void aClosedDeviceRefusesEverything() {
        Device device = Device.cpu(1);
        device.close();
        device.close();
        try (Arena arena = Arena.ofConfined()) {
            List<Parameter> parameters = List.of(Parameter.of("w", Tensor.of(arena, new float[] {1})));
            assertThatIllegalStateException()
                    .isThrownBy(() -> Optimizer.of(device, Sgd.of(1), parameters))
                    .withMessageContaining("device is closed");
            assertThatIllegalStateException().isThrownBy(() -> device.allocate(8));
            assertThatIllegalStateException().isThrownBy(device::synchronize);
        }
    }

    @Test
    void closingADeviceEarlyIsNoCrash() {
        Device device = Device.cpu(1);
        try (Run run = new Run(new Subject("sgd(lr=0.1)", DType.F32, null), device);
                DeviceMemory memory = device.allocate(64)) {
            run.steps(1, 1);
            device.close();
            assertThatIllegalStateException().isThrownBy(run.optimizer::step).withMessageContaining("device is closed");
            memory.segment().fill((byte) 1);
        }
    }
}
