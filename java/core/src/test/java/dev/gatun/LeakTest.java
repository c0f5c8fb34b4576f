package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * LeakSanitizer at the end of a JVM that has made, used and closed devices and optimizers. Needs a library built with it,
 * as {@code mvn verify -Pnightly} does.
 */
@Tag("sanitized")
class LeakTest {
    private static final int CYCLES = 100;

    /**
     * The JVM ends without freeing everything. Two frames, as the JVM's are at the bottom of every stack and would
     * suppress our leaks, too; thread-local storage is left out as LeakSanitizer itself fails there in a JVM.
     */
    private static final String ASAN =
            "detect_leaks=1:malloc_context_size=2:handle_segv=0:allocator_may_return_null=1:exitcode=23";

    private static final List<String> THE_JVMS =
            List.of("libjvm.so", "libjli.so", "libjava.so", "libnio.so", "libzip.so", "libjimage.so", "libnet.so");

    @TempDir
    Path folder;

    /** Makes and closes, or with an argument does not close. */
    static final class Cycles {
        private Cycles() {}

        public static void main(String[] arguments) {
            boolean closes = arguments.length == 0;
            List<AutoCloseable> lost = new ArrayList<>();
            try (Arena arena = Arena.ofConfined()) {
                Tensor weight = Tensor.allocate(arena, DType.F32, 30, 70);
                for (int i = 0; i < CYCLES; i++) {
                    String rule = Subject.SPECIFICATIONS.get(i % Subject.SPECIFICATIONS.size());
                    Device device = Device.cpu(1 + i % 3);
                    Optimizer optimizer = Optimizer.of(device, Rule.parse(rule), List.of(Parameter.of("w", weight)));
                    optimizer.bindGradients(List.of(Tensor.allocate(arena, DType.F32, 30, 70)));
                    optimizer.step();
                    if (closes) {
                        optimizer.close();
                        device.close();
                    } else {
                        lost.addAll(List.of(optimizer, device));
                    }
                }
            }
            System.out.println(CYCLES + " cycles, " + lost.size() + " not closed");
        }
    }

    private ChildJvm.Result run(String... arguments) throws Exception {
        Path suppressions = folder.resolve("suppressions");
        Files.write(suppressions, THE_JVMS.stream().map("leak:"::concat).toList());
        Map<String, String> environment =
                Map.of("ASAN_OPTIONS", ASAN, "LSAN_OPTIONS", "use_tls=0:suppressions=" + suppressions);
        return ChildJvm.run(folder, ChildJvm.main(Cycles.class, arguments), environment);
    }

    @Test
    void whatIsClosedLeavesNothingBehind() throws Exception {
        ChildJvm.Result result = run();
        // Not the exit status: now and then the JVM's libraries leave something that is not suppressed.
        assertThat(result.output())
                .contains(CYCLES + " cycles, 0 not closed")
                .doesNotContain("gatun::", "gatun_", "libgatun.so");
    }

    @Test
    void whatIsNotClosedIsNoticed() throws Exception {
        ChildJvm.Result result = run("lose");
        assertThat(result.output()).contains("not closed", "LeakSanitizer", "gatun::CpuPlan");
        assertThat(result.exit()).isEqualTo(23);
    }
}
