package dev.gatun.cli.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.cli.BadInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainSettingsTest {
    @TempDir
    private Path folder;

    @Test
    void readBackAsWritten() throws IOException {
        TrainSettings settings = new TrainSettings(
                CharShape.parse("8,6,16,2"), Path.of("/a b\\c=d:é.txt"), "sgd(lr=0.5); adam()", true, 30, 16, -5);
        Path file = Files.writeString(folder.resolve("run.properties"), settings.text("abc-1-2-3"));
        assertThat(TrainSettings.read(file)).isEqualTo(settings);
        assertThat(TrainSettings.fingerprint(file)).isEqualTo("abc-1-2-3");
        TrainSettings plain = new TrainSettings(CharShape.LARGE, null, "sing()", false, 1, 1, 7);
        Files.writeString(file, plain.text(""));
        assertThat(TrainSettings.read(file)).isEqualTo(plain);
        Files.writeString(file, plain.text("").replace("task=text\n", ""));
        assertThat(TrainSettings.read(file))
                .as("a run from before there were tasks")
                .isEqualTo(plain);
        TrainSettings images = new TrainSettings(ConvShape.parse("4,8,16"), Path.of("/i"), "sing()", false, 1, 1, 7);
        Files.writeString(file, images.text(""));
        assertThat(TrainSettings.read(file)).isEqualTo(images);
    }

    @Test
    void damagedFile() throws IOException {
        Path file = Files.writeString(folder.resolve("run.properties"), "model=default\nsteps=many\n");
        assertThatThrownBy(() -> TrainSettings.read(file))
                .isInstanceOf(BadInput.class)
                .hasMessageContaining("run.properties: damaged (no line optimizers=); the run cannot be resumed");
    }

    @Test
    void ranges() {
        assertThatThrownBy(() -> new TrainSettings(CharShape.DEFAULT, null, "sing()", false, 0, 16, 7))
                .isInstanceOf(BadInput.class)
                .hasMessage("--steps 0: pass a number from 1 to 100000000");
        for (String model : new String[] {"huge", "1,2,3", "1,2,3,0", "32,24,512,x", "9999,1,1,1"}) {
            assertThatThrownBy(() -> CharShape.parse(model))
                    .isInstanceOf(BadInput.class)
                    .hasMessageStartingWith("--model " + model + ": pass default, large, or CONTEXT,");
        }
        for (String model : new String[] {"large", "16", "16,0", "16,x", "1,2,3,4,5,6,7,8,9,10", "5000,1"}) {
            assertThatThrownBy(() -> ConvShape.parse(model))
                    .isInstanceOf(BadInput.class)
                    .hasMessageStartingWith("--model " + model + ": pass default, or FILTERS,");
        }
    }
}
