package dev.gatun.dl4j;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.docs.GuidePage;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** docs/deeplearning4j.md: its programs compile, run, and do what the page says. */
class GuideTest {
    @TempDir
    Path folder;

    @Test
    void programsRun() throws Exception {
        GuidePage page = GuidePage.read("deeplearning4j.md");
        assertThat(page.programs()).isEqualTo(3);
        assertThat(page.run(0, folder)).contains("same bits: true");
        assertThat(page.run(1, folder)).contains("steps 101");
        assertThat(page.run(2, folder)).contains("after 100 steps");
    }
}
