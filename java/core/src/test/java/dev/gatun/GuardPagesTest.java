package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
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
        return ChildJvm.run(folder, ChildJvm.main(GuardPages.class, Integer.toString(overstated)));
    }
}
