package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Kills a process in the middle of saving, again and again: what {@code save} had returned for is there, whole. It shows
 * the order of writes within a process; {@link AtomicFileTest} shows which calls sync them to the disk.
 */
class KillTest {
    private static final int KILLS = Amount.of(50);

    @TempDir
    Path folder;

    /** Steps and saves until it is killed; says after every save which step is safe. */
    static final class Saver {
        private Saver() {}

        public static void main(String[] arguments) throws Exception {
            Path file = Path.of(arguments[0]);
            float[] ones = new float[300_000];
            Arrays.fill(ones, 1);
            try (Arena arena = Arena.ofConfined();
                    Device device = Device.cpu(1);
                    Optimizer optimizer = Optimizer.of(
                            device,
                            Sgd.of(1).withMomentum(0.5),
                            List.of(Parameter.of("w", Tensor.allocate(arena, DType.F32, ones.length))))) {
                optimizer.bindGradients(List.of(Tensor.of(arena, ones)));
                if (Files.exists(file)) {
                    optimizer.load(file);
                }
                while (true) {
                    optimizer.step();
                    optimizer.save(file);
                    System.out.println(optimizer.steps());
                }
            }
        }
    }

    @Test
    void whatWasSavedIsThereWhole() throws Exception {
        Path file = folder.resolve("run.safetensors");
        SplittableRandom random = new SplittableRandom(4);
        long safe = 0;
        for (int kill = 0; kill < KILLS; kill++) {
            Process process = ChildJvm.start(folder, ChildJvm.main(Saver.class, file.toString()));
            process.getInputStream().read(); // it has begun to save
            Thread.sleep(random.nextInt(60));
            process.toHandle().destroyForcibly(); // unlike the process' own method, it leaves the output to be read
            String[] lines = new String(process.getInputStream().readAllBytes()).split("\n", -1);
            process.waitFor();
            if (lines.length > 2) { // the first has lost a digit to read(), the last may be half a number
                safe = Long.parseLong(lines[lines.length - 2]);
            }
            Checkpoint checkpoint = Checkpoint.read(file);
            assertThat(checkpoint.steps()).isGreaterThanOrEqualTo(safe);
            float[] weight = checkpoint.weight("w").orElseThrow().toFloats();
            assertThat(weight[0]).isEqualTo(weight[weight.length - 1]);
        }
        assertThat(safe).isGreaterThan(KILLS);
    }
}
