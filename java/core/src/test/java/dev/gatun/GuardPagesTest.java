package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.bindings.NativeLibrary;
import java.io.File;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GuardPagesTest {
    @TempDir
    Path folder;

    @Test
    void noStepLeavesItsBuffers() throws Exception {
        ChildJvm.Result result = run(0);
        assertThat(result.exit()).as(result.output()).isZero();
        assertThat(result.output()).contains("steps between guard pages");
    }

    @Test
    void oneElementTooManyIsNoticed() throws Exception {
        ChildJvm.Result result = run(1);
        assertThat(result.exit()).isNotZero();
        assertThat(result.output()).contains("SIGSEGV");
    }

    private ChildJvm.Result run(int overstated) throws Exception {
        String classPath = String.join(
                File.pathSeparator,
                ChildJvm.place(GuardPages.class),
                ChildJvm.place(Optimizer.class),
                ChildJvm.place(NativeLibrary.class));
        return ChildJvm.run(
                folder,
                List.of(
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        classPath,
                        GuardPages.class.getName(),
                        Integer.toString(overstated)));
    }
}
