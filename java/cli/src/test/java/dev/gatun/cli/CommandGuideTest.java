package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.Checkpoint;
import dev.gatun.docs.GuidePage;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The guide's pages on schedules, checkpoints and comparisons: programs run, and commands print what the page says. */
class CommandGuideTest {
    @TempDir
    private Path folder;

    @Test
    void schedules() throws Exception {
        GuidePage page = GuidePage.read("schedules.md");
        assertThat(page.programs()).isEqualTo(1);
        GuideConsole console = new GuideConsole("schedules.md", folder);
        assertThat(console.text()).contains("```\n" + page.run(0, folder) + "```");
        assertThat(Checkpoint.read(folder.resolve("run.safetensors")).scheduleState(0))
                .contains("reductions");
        assertThat(console.commands()).isEqualTo(4);
        console.requireAllAsPrinted();
    }

    @Test
    void checkpoints() throws Exception {
        GuidePage page = GuidePage.read("checkpoints.md");
        assertThat(page.programs()).isEqualTo(1);
        assertThat(page.run(0, folder))
                .startsWith("adamw(lr=0.01), 4 steps, {layer.weight=group 0, steps 4, F32 [2, 2]");
        GuideConsole console = new GuideConsole("checkpoints.md", folder);
        assertThat(console.commands()).isEqualTo(9);
        console.requireAllAsPrinted();
        assertThat(folder.resolve("other.safetensors")).doesNotExist();
    }

    @Test
    void comparisons() throws Exception {
        GuideConsole console = new GuideConsole("compare.md", folder);
        assertThat(console.commands()).isEqualTo(2);
        console.requireAsPrinted(0);
        console.requireAboutAsPrinted(1, 0.02);
    }
}
