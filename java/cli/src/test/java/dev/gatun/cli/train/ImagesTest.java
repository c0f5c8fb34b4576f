package dev.gatun.cli.train;

import static dev.gatun.cli.train.ImageFiles.cifarRecords;
import static dev.gatun.cli.train.ImageFiles.gzip;
import static dev.gatun.cli.train.ImageFiles.idx;
import static dev.gatun.cli.train.ImageFiles.labels;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.cli.BadInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is in the files arrives, and what is wrong with them is said. */
class ImagesTest {
    private static final String IMAGES = "train-images-idx3-ubyte";
    private static final String LABELS = "train-labels-idx1-ubyte";

    @TempDir
    private Path folder;

    private Path mnist() throws IOException {
        return ImageFiles.mnist(folder.resolve("mnist"), 100, 20, 5, 7, 4, false);
    }

    @Test
    void idxFilesPlainCompressedAndRenamed() throws IOException {
        Images plain = Images.of(mnist());
        assertThat(plain.learned().pixels()).isEqualTo(ImageFiles.bars(labels(100, 4), 1, 5, 7, 0));
        assertThat(plain.learned().labels()).isEqualTo(labels(100, 4));
        assertThat(plain.test().pixels()).isEqualTo(ImageFiles.bars(labels(20, 4), 1, 5, 7, 1));
        assertThat(plain.classes()).isEqualTo(4);
        assertThat(plain.shape()).isEqualTo("5 x 7");

        Images compressed = Images.of(ImageFiles.mnist(folder.resolve("gz"), 100, 20, 5, 7, 4, true));
        assertThat(compressed.fingerprint()).isEqualTo(plain.fingerprint());

        Path dotted = ImageFiles.mnist(folder.resolve("dotted"), 100, 20, 5, 7, 4, true);
        Files.move(dotted.resolve(IMAGES + ".gz"), dotted.resolve("train-images.idx3-ubyte"));
        assertThat(Images.of(dotted).fingerprint()).isEqualTo(plain.fingerprint());
    }

    @Test
    void cifar() throws IOException {
        Images images = Images.of(ImageFiles.cifar(folder, 40, 10));
        assertThat(images.learned().count()).isEqualTo(80);
        assertThat(images.learned().label(43)).isEqualTo(3);
        byte[] second = ImageFiles.bars(labels(40, 10), 3, 32, 32, 2);
        assertThat(Arrays.copyOfRange(images.learned().pixels(), 40 * 3072, 80 * 3072))
                .isEqualTo(second);
        assertThat(images.classes()).isEqualTo(10);
        assertThat(images.shape()).isEqualTo("3 x 32 x 32");
    }

    @Test
    void aTenthIsValidatedOnAndNothingIsInTwoParts() throws IOException {
        Images images = Images.of(mnist());
        assertThat(images.validation()).hasSize(10);
        assertThat(IntStream.concat(Arrays.stream(images.training()), Arrays.stream(images.validation()))
                        .sorted()
                        .toArray())
                .isEqualTo(IntStream.range(0, 100).toArray());
        assertThat(images.training()).isNotEqualTo(IntStream.range(10, 100).toArray());
        assertThat(Images.of(mnist()).training()).isEqualTo(images.training());
    }

    @Test
    void everyByteChangesTheFingerprint() throws IOException {
        String before = Images.of(mnist()).fingerprint();
        Path file = mnist().resolve("t10k-images-idx3-ubyte");
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length - 1] ^= 1;
        Files.write(file, bytes);
        assertThat(Images.of(folder.resolve("mnist")).fingerprint()).isNotEqualTo(before);
    }

    @Test
    void damagedIdxFiles() throws IOException {
        byte[] images = Files.readAllBytes(mnist().resolve(IMAGES));
        refused(IMAGES, new byte[0], "truncated: it ends after 0 of 4 bytes of the magic number");
        refused(IMAGES, Arrays.copyOf(images, 10), "truncated: it ends after 2 of 4 bytes of its sizes");
        refused(
                IMAGES,
                Arrays.copyOf(images, images.length - 1),
                "truncated: it ends after 3499 of 3500 bytes of 100 x 5 x 7 bytes of images");
        refused(IMAGES, Arrays.copyOf(images, images.length + 1), "it goes on behind 100 x 5 x 7 bytes of images");
        refused(
                IMAGES,
                Files.readAllBytes(mnist().resolve(LABELS)),
                "no IDX file of images: it begins with 0x00000801 (labels), not with 0x00000803");
        refused(LABELS, images, "no IDX file of labels: it begins with 0x00000803 (images), not with 0x00000801");
        refused(IMAGES, "P5 28 28".getBytes(), "begins with 0x50352032, not with 0x00000803");
        refused(IMAGES, idx(0x803, new byte[0], 0, 28, 28), "dimension 0 has the size 0");
        refused(IMAGES, idx(0x803, new byte[9], 1, -3, 3), "dimension 1 has the size -3");
        refused(
                IMAGES,
                idx(0x803, new byte[9], Integer.MAX_VALUE, Integer.MAX_VALUE, Integer.MAX_VALUE),
                "says that it has 2147483647 x 2147483647 x 2147483647 bytes of images, more than 256 MiB");
        byte[] packed = gzip(images);
        refused(IMAGES, Arrays.copyOf(packed, packed.length / 2), "damaged gzip");
        packed[packed.length - 6] ^= 1; // in the checksum
        refused(IMAGES, packed, "damaged gzip");
    }

    @Test
    void filesThatDoNotBelongTogether() throws IOException {
        refused(LABELS, idx(0x801, labels(99, 4), 99), "99 labels, but " + IMAGES + " has 100 images");
        byte[] wrong = labels(100, 4);
        wrong[17] = (byte) 200;
        refused(
                LABELS,
                idx(0x801, wrong, 100),
                "training image 17 has the label 200, but no image has the label 4: damaged labels");
        refused(LABELS, idx(0x801, new byte[100], 100), "all training images have the label 0");
        refused(
                "t10k-labels-idx1-ubyte",
                idx(0x801, labels(20, 6), 20),
                "test image 4 has the label 4, but those to train on go from 0 to 3");
        refused(
                "t10k-images-idx3-ubyte",
                idx(0x803, new byte[20 * 36], 20, 6, 6),
                "the test images are 6 x 6, those to train on 5 x 7");
        Files.delete(mnist().resolve("t10k-labels-idx1-ubyte"));
        refused("unrelated", new byte[1], "no t10k-labels-idx1-ubyte, plain or .gz, beside the training images");
        assertThatThrownBy(() -> Images.of(ImageFiles.mnist(folder.resolve("few"), 49, 20, 5, 7, 4, false)))
                .isInstanceOf(BadInput.class)
                .hasMessageContaining("too few images to train on, 49; at least 50");
        ImageFiles.cifar(folder.resolve("few"), 40, 10);
        assertThatThrownBy(() -> Images.of(folder.resolve("few")))
                .isInstanceOf(BadInput.class)
                .hasMessageContaining("both MNIST's files and CIFAR-10's");
    }

    /** With one file replaced, the folder is refused for this reason. */
    private void refused(String name, byte[] content, String reason) throws IOException {
        Path copy = folder.resolve("mnist");
        byte[] before = Files.exists(copy.resolve(name)) ? Files.readAllBytes(copy.resolve(name)) : null;
        if (before == null && !Files.exists(copy)) {
            before = Files.readAllBytes(mnist().resolve(name));
        }
        Files.write(copy.resolve(name), content);
        assertThatThrownBy(() -> Images.of(copy)).isInstanceOf(BadInput.class).hasMessageContaining(reason);
        if (before != null) {
            Files.write(copy.resolve(name), before);
        }
    }

    @Test
    void damagedCifarFiles() throws IOException {
        Path cifar = ImageFiles.cifar(folder, 40, 10);
        byte[] records = cifarRecords(labels(40, 10), 1);
        Path batch = cifar.resolve("data_batch_1.bin");
        Files.write(batch, Arrays.copyOf(records, records.length - 1));
        assertThatThrownBy(() -> Images.of(cifar))
                .isInstanceOf(BadInput.class)
                .hasMessageContaining("data_batch_1.bin: truncated or no CIFAR-10 binary: 122919 bytes");
        records[7 * 3073] = 10;
        Files.write(batch, records);
        assertThatThrownBy(() -> Images.of(cifar))
                .isInstanceOf(BadInput.class)
                .hasMessageContaining("image 7 has the label 10, and labels go from 0 to 9");
        Files.write(batch, new byte[0]);
        assertThatThrownBy(() -> Images.of(cifar)).isInstanceOf(BadInput.class).hasMessageContaining("0 bytes");
        Files.delete(cifar.resolve("test_batch.bin"));
        Files.write(batch, cifarRecords(labels(40, 10), 1));
        assertThatThrownBy(() -> Images.of(cifar))
                .isInstanceOf(BadInput.class)
                .hasMessageContaining("no test_batch.bin beside data_batch_1.bin");
    }
}
