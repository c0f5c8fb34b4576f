package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.gatun.bindings.NativeLibrary;
import dev.gatun.docs.GuidePage;
import java.io.File;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** docs/own-loop.md: its programs compile, run, and learn. */
class OwnLoopGuideTest {
    @TempDir
    Path folder;

    @Test
    void programsRun() throws Exception {
        GuidePage page = GuidePage.read("own-loop.md");
        assertThat(page.programs()).isEqualTo(2);
        String places = ChildJvm.place(Optimizer.class) + File.pathSeparator + ChildJvm.place(NativeLibrary.class);
        String trained = page.run(0, folder, places);
        double loss = Double.parseDouble(trained.strip().replaceAll("(?s).*loss ", ""));
        assertThat(loss).as(trained).isLessThan(0.3); // 0.69 is a guess
        assertThat(Checkpoint.read(folder.resolve("circle.safetensors")).steps())
                .isEqualTo(300);
        String[] fitted =
                page.run(1, folder, places).replaceAll("[\\[\\]\\s]", "").split(",");
        double[] wanted = {1, -2, 3, 0.5};
        for (int i = 0; i < 4; i++) {
            assertThat(Double.parseDouble(fitted[i])).isCloseTo(wanted[i], within(1e-3));
        }
    }
}
