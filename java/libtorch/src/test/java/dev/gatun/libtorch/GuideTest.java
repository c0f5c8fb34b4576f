package dev.gatun.libtorch;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.Checkpoint;
import dev.gatun.docs.GuidePage;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** docs/libtorch.md: its program compiles, runs, learns, and leaves the checkpoint it speaks of. */
class GuideTest {
    @TempDir
    Path folder;

    @Test
    void programsRun() throws Exception {
        GuidePage page = GuidePage.read("libtorch.md");
        assertThat(page.programs()).isEqualTo(1);
        String output = page.run(0, folder);
        assertThat(Double.parseDouble(output.strip().replaceAll("(?s).*loss ", "")))
                .as(output)
                .isLessThan(0.05);
        assertThat(Checkpoint.read(folder.resolve("run.safetensors")).steps()).isEqualTo(300);
    }
}
