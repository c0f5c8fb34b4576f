package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.bindings.NativeLibrary;
import dev.gatun.docs.GuidePage;
import java.io.File;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** docs/observing.md and docs/mixed-precision.md: their programs compile, run, and print what the pages say. */
class ObservingGuideTest {
    @TempDir
    Path folder;

    private String run(String name) throws Exception {
        GuidePage page = GuidePage.read(name);
        assertThat(page.programs()).isEqualTo(1);
        String places = ChildJvm.place(Optimizer.class) + File.pathSeparator + ChildJvm.place(NativeLibrary.class);
        return page.run(0, folder, places).strip();
    }

    @Test
    void theScaleFollowsTheTraining() throws Exception {
        String printed = run("mixed-precision.md");
        assertThat(printed).matches("refused [1-9][0-9]?, scale [0-9.E]+, loss [0-9.E-]+");
        double loss = Double.parseDouble(printed.replaceAll(".*loss ", ""));
        assertThat(loss).as(printed).isLessThan(1e-4); // 0.3 at first
        Checkpoint saved = Checkpoint.read(folder.resolve("line.safetensors"));
        assertThat(printed).contains("scale " + saved.lossScale().orElseThrow());
    }

    @Test
    void aTrainingIsSeen() throws Exception {
        assertThat(run("observing.md").lines())
                .satisfiesExactly(
                        line -> assertThat(line).isEqualTo("step 40 disables gain"),
                        line -> assertThat(line).startsWith("refused: the gradient of 'weight' has a NaN"),
                        line -> assertThat(line)
                                .matches("LayerNorms\\[name=weight, gradient=0\\.0[0-9]+, update=0\\.0[0-9]+]"),
                        line -> assertThat(line).matches("LayerNorms\\[name=gain, gradient=NaN, update=0\\.0]"),
                        line -> assertThat(line).isEqualTo("100 events"));
    }
}
