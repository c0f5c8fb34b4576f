package dev.gatun.djl;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.Checkpoint;
import dev.gatun.docs.GuidePage;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** docs/djl.md: its programs compile, run, and leave the checkpoints they speak of. */
class GuideTest {
    @TempDir
    Path folder;

    @Test
    void programsRun() throws Exception {
        GuidePage page = GuidePage.read("djl.md");
        assertThat(page.programs()).isEqualTo(2);
        for (int program = 0; program < 2; program++) {
            assertThat(page.run(program, folder)).contains("loss ");
            assertThat(Checkpoint.read(folder.resolve("optimizer.safetensors")).steps())
                    .isEqualTo(200);
        }
    }
}
