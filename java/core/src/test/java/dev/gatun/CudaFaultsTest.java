package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every call of the CUDA runtime fails once: it is said, nothing is left over, and a stopped optimizer stays stopped. */
@Tag("cuda")
class CudaFaultsTest {
    private static final int ILLEGAL_ADDRESS = 700;
    private static final String SAID = "cudaErrorIllegalAddress (700): an illegal memory access was encountered";

    @TempDir
    Path folder;

    private CudaRuntime emulator;

    @BeforeEach
    void findEmulator() {
        emulator = CudaRuntime.emulator();
        Assumptions.assumeTrue(emulator != null, "a GPU's own calls cannot be made to fail");
    }

    @AfterEach
    void fail() {
        if (emulator != null) {
            emulator.failAt(0, 0);
        }
    }

    @Test
    void whicheverCallFailsItIsSaidAndNothingIsLeft() throws IOException {
        int failed = 0;
        boolean reached = true;
        for (int n = 1; reached; n++) {
            long before = emulator.live();
            emulator.failAt(n, ILLEGAL_ADDRESS);
            Throwable thrown = catchThrowable(this::life);
            reached = emulator.calls() >= n;
            emulator.failAt(0, 0);
            if (thrown != null) {
                assertThat(thrown).as("call %d", n).isInstanceOf(GatunException.class);
                assertThat(thrown).as("call %d", n).hasMessageContaining(SAID);
                failed++;
            }
            assertThat(emulator.live()).as("left over after call %d failed", n).isEqualTo(before);
            assertThat(n).as("calls of a short life").isLessThan(2000);
        }
        // the others end something, or ask what device the thread had: then nobody is told, since nothing is lost
        assertThat(failed).isGreaterThan(100);
    }

    /** All that a program does with a device. */
    private void life() throws IOException {
        try (Device device = Device.cuda(0);
                DeviceMemory memory = device.allocate(2048);
                DeviceMemory pinned = device.allocatePinned(2048)) {
            device.copy(memory.segment(), pinned.segment());
            device.synchronize();
            Parameter w = Parameter.of("w", tensor(memory, 0, 3, 5));
            try (Optimizer optimizer = Optimizer.of(device, Rule.parse("sing(adamw(lr=0.01))"), List.of(w))) {
                optimizer.bindGradient(0, tensor(memory, 1024, 3, 5));
                try {
                    for (int step = 0; step < 18; step++) {
                        optimizer.step();
                    }
                    optimizer.report();
                } catch (GatunException e) {
                    requireStopped(optimizer, e.getMessage());
                    throw e;
                }
                Path file = folder.resolve("fault.safetensors");
                optimizer.save(file);
                optimizer.load(file);
                assertThat(optimizer.stepsTaken(0)).isEqualTo(18);
            }
        }
    }

    private static Tensor tensor(DeviceMemory memory, long at, long... shape) {
        return new Tensor(memory.segment().asSlice(at, 60), DType.F32, Device.Kind.CUDA, shape);
    }

    private static void requireStopped(Optimizer optimizer, String reason) {
        String told = reason.substring(reason.indexOf(": ") + 2); // behind "CUDA error 700"
        for (int again = 0; again < 2; again++) {
            assertThat(catchThrowable(optimizer::step))
                    .isInstanceOf(GatunException.class)
                    .hasMessageContaining("this optimizer stopped when")
                    .hasMessageContaining(told);
            assertThat(catchThrowable(optimizer::report))
                    .isInstanceOf(GatunException.class)
                    .hasMessageContaining("this optimizer stopped when");
        }
    }

    @Test
    void aFailedStepCountsForNobodyAndTheMirrorKeepsTheHostsWeights() {
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cuda(0)) {
            Tensor weight = Tensor.of(arena, new float[] {1, 2, 3});
            Tensor gradient = Tensor.of(arena, new float[] {1, 1, 1});
            Mirror mirror = Mirror.of(device, List.of(Parameter.of("w", weight)));
            Optimizer optimizer = Optimizer.of(device, Sgd.of(0.5), mirror.parameters());
            mirror.bindGradient(optimizer, 0, gradient);
            mirror.step(optimizer);
            assertThat(weight.toFloats()).containsExactly(0.5f, 1.5f, 2.5f);
            emulator.failAt(3, ILLEGAL_ADDRESS);
            assertThat(catchThrowable(() -> mirror.step(optimizer))).hasMessageContaining(SAID);
            emulator.failAt(0, 0);
            assertThat(weight.toFloats()).containsExactly(0.5f, 1.5f, 2.5f);
            assertThat(optimizer.steps()).isEqualTo(1);
            optimizer.close();
            mirror.close();
        }
    }
}
