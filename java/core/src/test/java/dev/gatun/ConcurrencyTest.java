package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Many threads that use what is not theirs, and close what is in use: an exception or a step in order, never a crash. */
class ConcurrencyTest {
    private static final int THREADS = 16;

    @TempDir
    Path folder;

    private static void join(List<Thread> threads) throws InterruptedException {
        for (Thread thread : threads) {
            thread.join();
        }
    }

    /** Fifteen threads step, bind, save and close an optimizer of the sixteenth: each is told that it is not its own. */
    @Test
    void othersGetAnExceptionAndTheOwnersBitsAreUndisturbed() throws Exception {
        Subject subject = new Subject("sing(lr=0.01, weight_decay=0.1)", DType.F32, null);
        int steps = Amount.of(100);
        byte[] expected;
        try (Device device = Device.cpu(2);
                Run alone = new Run(subject, device)) {
            alone.steps(1, steps);
            expected = alone.bits();
        }
        Queue<Throwable> unexpected = new ConcurrentLinkedQueue<>();
        AtomicBoolean done = new AtomicBoolean();
        try (Device device = Device.cpu(2);
                Run run = new Run(subject, device)) {
            List<Thread> threads = new ArrayList<>();
            for (int i = 1; i < THREADS; i++) {
                int which = i;
                threads.add(Thread.ofPlatform().start(() -> {
                    for (int n = 0; !done.get() || n < 50; n++) {
                        try {
                            misuse(run.optimizer, (which + n) % 5);
                            unexpected.add(new AssertionError("thread " + which + " was let in"));
                        } catch (WrongThreadException e) {
                            // as it should be
                        } catch (Throwable e) {
                            unexpected.add(e);
                        }
                    }
                }));
            }
            run.steps(1, steps);
            done.set(true);
            join(threads);
            assertThat(unexpected).isEmpty();
            assertThat(run.bits()).isEqualTo(expected);
        }
    }

    private void misuse(Optimizer optimizer, int how) throws IOException {
        switch (how) {
            case 0 -> optimizer.step();
            case 1 -> optimizer.save(folder.resolve("never"));
            case 2 -> optimizer.close();
            case 3 -> optimizer.load(folder.resolve("never"));
            default -> optimizer.bindGradient(0, null);
        }
    }

    /** Sixteen threads train on one device, each with an optimizer of its own: they take turns, each as if alone. */
    @Test
    void sixteenOptimizersOnOneDeviceAreEachAsIfAlone() throws Exception {
        Subject subject = new Subject("adamw(lr=0.01, weight_decay=0.1)", DType.F32, null);
        int steps = Amount.of(40);
        Queue<Throwable> unexpected = new ConcurrentLinkedQueue<>();
        try (Device device = Device.cpu(2);
                Run alone = new Run(subject, device)) {
            alone.steps(1, steps);
            byte[] expected = alone.bits();
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                threads.add(Thread.ofPlatform().start(() -> {
                    try (Run run = new Run(subject, device)) {
                        run.steps(1, steps);
                        assertThat(run.bits()).isEqualTo(expected);
                    } catch (Throwable e) {
                        unexpected.add(e);
                    }
                }));
            }
            join(threads);
        }
        assertThat(unexpected).isEmpty();
    }

    /** The device is closed by another thread somewhere among the steps. */
    @Test
    void closingWhatStepsUseIsAnExceptionAndNoCrash() throws Exception {
        for (int i = 0; i < Amount.of(1000); i++) {
            boolean closesDevice = i % 8 != 0;
            Device device = Device.cpu(2);
            Arena memory = Arena.ofShared();
            Tensor weight = Tensor.allocate(memory, DType.F32, 20_000);
            Tensor gradient = Tensor.allocate(memory, DType.F32, 20_000);
            int spins = i * 37 % 4000;
            Thread closer = Thread.ofPlatform().unstarted(() -> {
                for (int spin = 0; spin < spins; spin++) {
                    Thread.onSpinWait();
                }
                if (closesDevice) {
                    device.close();
                }
            });
            boolean refused = false;
            try (Optimizer optimizer = Optimizer.of(device, Adam.of(1e-3), List.of(Parameter.of("w", weight)))) {
                optimizer.bindGradient(0, gradient);
                closer.start();
                do { // wherever among these it happens
                    optimizer.step();
                } while (closer.isAlive());
                optimizer.step(); // at the latest here it has
            } catch (IllegalStateException e) {
                assertThat(e).hasMessageContaining("closed");
                refused = true;
            }
            assertThat(refused).as("step %d met a closed device", i).isEqualTo(closesDevice);
            closer.join();
            memory.close();
            device.close();
        }
    }

    @Test
    void cyclesLeaveNoMemoryBehind() {
        try (Arena arena = Arena.ofConfined()) {
            Tensor weight = Tensor.allocate(arena, DType.F32, 1_000_000);
            long before = 0;
            int cycles = Amount.of(200);
            for (int i = 0; i < cycles; i++) {
                try (Device device = Device.cpu(2);
                        Optimizer optimizer = Optimizer.of(device, Adam.of(1e-3), List.of(Parameter.of("w", weight)))) {
                    optimizer.bindGradient(0, null);
                    optimizer.step();
                }
                if (i == cycles / 2) {
                    before = Malloc.bytesInUse();
                }
            }
            // each cycle has 8 MB of state: a tenth of what half the cycles would have left
            assertThat(Malloc.bytesInUse() - before).isLessThan(cycles / 2 * 800_000L);
        }
    }
}
