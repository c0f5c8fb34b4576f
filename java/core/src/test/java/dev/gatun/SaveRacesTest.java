package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Saves while something else steps, reads or saves: what is there is always one whole checkpoint. */
class SaveRacesTest {
    private static final int THREADS = 8;

    /** Large enough that writing it takes several scheduling decisions. */
    private static final int ELEMENTS = 300_000;

    @TempDir
    Path folder;

    private final Queue<Throwable> unexpected = new ConcurrentLinkedQueue<>();

    private interface Body {
        void run() throws Exception;
    }

    private Thread start(Body body) {
        return Thread.ofPlatform().start(() -> {
            try {
                body.run();
            } catch (Throwable e) {
                unexpected.add(e);
            }
        });
    }

    /** An optimizer whose weights are all minus the number of its steps. */
    private static Optimizer counting(Device device, Arena arena) {
        float[] ones = new float[ELEMENTS];
        Arrays.fill(ones, 1);
        Parameter parameter = Parameter.of("w", Tensor.allocate(arena, DType.F32, ELEMENTS));
        Optimizer optimizer = Optimizer.of(device, Sgd.of(1), List.of(parameter));
        optimizer.bindGradients(List.of(Tensor.of(arena, ones)));
        return optimizer;
    }

    /** Reads a checkpoint of {@link #counting}: its steps, if every weight is of that step. */
    private static long wholeSteps(Path file) throws IOException {
        Checkpoint checkpoint = Checkpoint.read(file);
        float[] weight = checkpoint.weight("w").orElseThrow().toFloats();
        Arrays.sort(weight); // one comparison, not as many as there are weights
        assertThat(weight[0]).isEqualTo(-checkpoint.steps()).isEqualTo(weight[ELEMENTS - 1]);
        return checkpoint.steps();
    }

    /** One thread trains and saves, on a device that another steps on; the rest read what is saved. */
    @Test
    void readersSeeOneWholeCheckpointAfterAnother() throws Exception {
        Path file = folder.resolve("run.safetensors");
        int saves = Amount.of(20);
        AtomicBoolean done = new AtomicBoolean();
        try (Device device = Device.cpu(2)) {
            List<Thread> threads = new ArrayList<>();
            threads.add(start(() -> {
                try (Arena arena = Arena.ofConfined();
                        Optimizer optimizer = counting(device, arena)) {
                    for (int i = 0; i < saves; i++) {
                        optimizer.step();
                        optimizer.save(file);
                    }
                } finally {
                    done.set(true);
                }
            }));
            threads.add(start(() -> {
                try (Arena arena = Arena.ofConfined();
                        Optimizer other = counting(device, arena)) {
                    while (!done.get()) {
                        other.step();
                    }
                    assertThat(other.parameters().getFirst().weight().get(ELEMENTS - 1))
                            .isEqualTo(-other.steps());
                }
            }));
            for (int i = 0; i < 3; i++) {
                threads.add(start(() -> {
                    long newest = 0;
                    while (!done.get()) {
                        if (Files.exists(file)) {
                            long steps = wholeSteps(file);
                            assertThat(steps).isGreaterThanOrEqualTo(newest);
                            newest = steps;
                        }
                    }
                }));
            }
            for (Thread thread : threads) {
                thread.join();
            }
        }
        assertThat(unexpected).isEmpty();
        assertThat(wholeSteps(file)).isEqualTo(saves);
    }

    /** Several optimizers are saved to one file at once. Were they to share the file aside, one would be torn. */
    @Test
    void ofManySaversToOneFileEachIsWhole() throws Exception {
        Path file = folder.resolve("run.safetensors");
        AtomicBoolean done = new AtomicBoolean();
        List<Thread> savers = new ArrayList<>();
        try (Device device = Device.cpu(1)) {
            for (int i = 0; i < THREADS; i++) {
                savers.add(start(() -> {
                    try (Arena arena = Arena.ofConfined();
                            Optimizer optimizer = counting(device, arena)) {
                        for (int k = 0; k < Amount.of(6); k++) {
                            optimizer.step();
                            optimizer.save(file);
                        }
                    }
                }));
            }
            Thread reader = start(() -> {
                while (!done.get()) {
                    if (Files.exists(file)) {
                        wholeSteps(file);
                    }
                }
            });
            for (Thread saver : savers) {
                saver.join();
            }
            done.set(true);
            reader.join();
        }
        assertThat(unexpected).isEmpty();
        assertThat(wholeSteps(file)).isEqualTo(Amount.of(6));
        requireOnly(file);
    }

    /** Processes that save to one file and are killed: it stays whole, and what they left is gone after the next save. */
    @Test
    void killedSaversOfOneFileLeaveItWholeAndNothingElseForLong() throws Exception {
        Path file = folder.resolve("run.safetensors");
        for (int round = 0; round < Amount.of(2); round++) {
            List<Process> savers = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                savers.add(ChildJvm.start(folder, ChildJvm.main(KillTest.Saver.class, file.toString())));
            }
            for (Process saver : savers) {
                saver.getInputStream().read(); // it has saved
            }
            for (Process saver : savers) {
                for (int i = 0; i < 5; i++) {
                    float[] weight =
                            Checkpoint.read(file).weight("w").orElseThrow().toFloats();
                    assertThat(weight[0]).isEqualTo(weight[weight.length - 1]);
                }
                saver.toHandle().destroyForcibly();
                saver.waitFor();
            }
        }
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cpu(1);
                Optimizer optimizer = counting(device, arena)) {
            optimizer.step();
            optimizer.save(file);
        }
        assertThat(wholeSteps(file)).isEqualTo(1);
        requireOnly(file);
    }

    /** A file that looks like another save's, and is one of a name of its own, or is being written, stays. */
    @Test
    void whatIsNotAnAbandonedSaveOfThisFileStays() throws Exception {
        Path file = folder.resolve("run");
        Path abandoned = Files.createFile(folder.resolve("run.0123456789abcdef.tmp"));
        List<Path> others = new ArrayList<>();
        for (String name : List.of("run2.0123456789abcdef.tmp", "run.tmp", "run.0123456789abcde.tmp", "run.x.tmp")) {
            others.add(Files.createFile(folder.resolve(name)));
        }
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cpu(1);
                Optimizer optimizer = counting(device, arena);
                Aside alive = Aside.create(file, FileCalls.SYSTEM)) {
            optimizer.save(file);
            assertThat(abandoned).doesNotExist();
            assertThat(alive.path()).exists();
            assertThat(others).allSatisfy(other -> assertThat(other).exists());
        }
    }

    private static void requireOnly(Path file) throws IOException {
        try (Stream<Path> files = Files.list(file.getParent())) {
            assertThat(files).containsExactly(file);
        }
    }

    /** A schedule is asked in the middle of a step: what it closes is missed at once, what it saves is from before. */
    @Test
    void whatAScheduleDoesToItsOptimizerIsNoCrash() throws Exception {
        Path file = folder.resolve("run.safetensors");
        for (String what : List.of("close", "close the device", "save")) {
            Optimizer[] self = new Optimizer[1];
            try (Arena arena = Arena.ofConfined();
                    Device device = Device.cpu(1)) {
                Schedule meddling = (step, lr) -> {
                    if (step == 2) {
                        meddle(what, self[0], file);
                    }
                    return lr;
                };
                Parameter parameter = Parameter.of("w", Tensor.allocate(arena, DType.F32, 5));
                self[0] = Optimizer.of(
                        device, ParameterGroup.of(Sgd.of(1), List.of(parameter)).withSchedule(meddling));
                self[0].bindGradients(List.of(Tensor.of(arena, new float[] {1, 1, 1, 1, 1})));
                self[0].step();
                if (what.equals("save")) {
                    self[0].step();
                    assertThat(Checkpoint.read(file).steps()).isEqualTo(1);
                    assertThat(parameter.weight().get(4)).isEqualTo(-2);
                } else {
                    assertThatThrownBy(self[0]::step).isInstanceOf(IllegalStateException.class);
                    assertThat(parameter.weight().get(4)).isEqualTo(-1);
                }
                self[0].close();
            }
        }
    }

    private static void meddle(String what, Optimizer optimizer, Path file) {
        try {
            switch (what) {
                case "close" -> optimizer.close();
                case "close the device" -> optimizer.device().close();
                default -> optimizer.save(file);
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
