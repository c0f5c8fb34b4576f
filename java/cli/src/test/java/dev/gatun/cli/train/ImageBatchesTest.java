package dev.gatun.cli.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ImageBatchesTest {
    @TempDir
    private Path folder;

    private final NDManager manager = Engine.getEngine("PyTorch").newBaseManager();
    private Images images;
    private ImageTask task;

    @BeforeEach
    void images() throws IOException {
        images = Images.of(ImageFiles.cifar(folder, 40, 10));
        task = new ImageTask(images, ConvShape.DEFAULT);
    }

    @AfterEach
    void close() {
        manager.close();
    }

    private float[] inputs(Batches batches) {
        return batches.inputs(manager).toFloatArray();
    }

    @Test
    void seedAndStepDecide() {
        Batches one = task.batches(8);
        Batches two = task.batches(8);
        one.draw(5, 9);
        for (long[] other : new long[][] {{5, 8}, {6, 9}}) {
            two.draw(other[0], other[1]);
            assertThat(inputs(two)).isNotEqualTo(inputs(one));
        }
        two.draw(5, 9);
        assertThat(inputs(two)).isEqualTo(inputs(one));
        assertThat(two.targets(manager).toLongArray())
                .isEqualTo(one.targets(manager).toLongArray());
    }

    /** Each row is some training image, undone the normalization, beside that image's class. */
    @Test
    void imagesAreDrawnWithTheirClassesFromTheTrainingPart() {
        Batches batches = task.batches(16);
        batches.draw(1, 1);
        float[] inputs = inputs(batches);
        long[] targets = batches.targets(manager).toLongArray();
        assertThat(batches.inputs(manager).getShape()).isEqualTo(new Shape(16, 3, 32, 32));
        for (int i = 0; i < 16; i++) {
            float[] drawn = Arrays.copyOfRange(inputs, i * 3072, (i + 1) * 3072);
            int found = Arrays.stream(images.training())
                    .filter(image -> Arrays.equals(normalized(image), drawn))
                    .findFirst()
                    .orElse(-1);
            assertThat(found).isNotNegative();
            assertThat(targets[i]).isEqualTo(images.learned().label(found));
        }
    }

    private float[] normalized(int image) {
        float[] values = new float[3072];
        for (int k = 0; k < 3072; k++) {
            values[k] = task.normalization().values(k / 1024)[images.learned().pixels()[image * 3072 + k] & 0xff];
        }
        return values;
    }

    @Test
    void everyChannelHasMean0AndVariance1OverTheTrainingPart() {
        for (int channel = 0; channel < 3; channel++) {
            double sum = 0;
            double squares = 0;
            for (int image : images.training()) {
                float[] values = normalized(image);
                for (int k = channel * 1024; k < (channel + 1) * 1024; k++) {
                    sum += values[k];
                    squares += values[k] * values[k];
                }
            }
            double count = images.training().length * 1024.0;
            assertThat(sum / count).isEqualTo(0, within(1e-6));
            assertThat(squares / count).isEqualTo(1, within(1e-6));
        }
    }

    @Test
    void allOfAPartIsMeasuredByTheRestIncluded() {
        Batches batches = task.batches(16);
        assertThat(batches.draw(Part.TEST, 2, true)).isTrue();
        assertThat(batches.inputs(manager).getShape()).isEqualTo(new Shape(8, 3, 32, 32));
        assertThat(batches.targets(manager).toLongArray()).containsExactly(2, 3, 4, 5, 6, 7, 8, 9);
        assertThat(batches.draw(Part.TEST, 3, true)).isFalse();
        assertThat(batches.draw(Part.VALIDATION, 0, false)).isTrue();
        assertThat(batches.targets(manager).toLongArray())
                .isEqualTo(Arrays.stream(images.validation())
                        .mapToLong(images.learned()::label)
                        .toArray());
        assertThat(batches.draw(Part.VALIDATION, 1, false)).isFalse();
    }

    /** Images without anything on them are no division by zero. */
    @Test
    void aConstantChannelIsZero() {
        LabelledImages black = new LabelledImages(1, 2, 2, new byte[4 * 60], ImageFiles.labels(60, 2));
        int[] all = new int[] {0, 1, 2};
        Images same = new Images("made up", black, all, all, black, 2);
        assertThat(new Normalization(same).values(0)).containsOnly(0);
    }
}
