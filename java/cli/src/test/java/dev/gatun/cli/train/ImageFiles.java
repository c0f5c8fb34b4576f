package dev.gatun.cli.train;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.zip.GZIPOutputStream;

/** Writes small files in the formats of MNIST and CIFAR-10. */
final class ImageFiles {
    private ImageFiles() {}

    /** An IDX header and what follows it. */
    static byte[] idx(int magic, byte[] content, int... sizes) {
        ByteBuffer bytes = ByteBuffer.allocate(4 + 4 * sizes.length + content.length);
        bytes.putInt(magic);
        for (int size : sizes) {
            bytes.putInt(size);
        }
        return bytes.put(content).array();
    }

    static byte[] gzip(byte[] bytes) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (OutputStream gzip = new GZIPOutputStream(out)) {
            gzip.write(bytes);
        }
        return out.toByteArray();
    }

    /** Classes in turn: 0, 1, 2 ... */
    static byte[] labels(int count, int classes) {
        byte[] labels = new byte[count];
        for (int i = 0; i < count; i++) {
            labels[i] = (byte) (i % classes);
        }
        return labels;
    }

    /**
     * One bright bar on noise: class c has it at row c where c is even, at column c where it is odd, cyclically. No
     * single pixel tells a class for sure.
     */
    static byte[] bars(byte[] labels, int channels, int height, int width, long seed) {
        Random random = new Random(seed);
        byte[] pixels = new byte[labels.length * channels * height * width];
        int at = 0;
        for (byte label : labels) {
            for (int channel = 0; channel < channels; channel++) {
                for (int row = 0; row < height; row++) {
                    for (int column = 0; column < width; column++) {
                        boolean bar = label % 2 == 0 ? row == label % height : column == label % width;
                        pixels[at++] =
                                (byte) Math.clamp((long) (90 + 40 * random.nextGaussian() + (bar ? 80 : 0)), 0, 255);
                    }
                }
            }
        }
        return pixels;
    }

    /** A folder as MNIST comes. */
    static Path mnist(Path folder, int train, int test, int height, int width, int classes, boolean gzip)
            throws IOException {
        Files.createDirectories(folder);
        String[] names = {"train", "t10k"};
        int[] counts = {train, test};
        for (int k = 0; k < 2; k++) {
            byte[] labels = labels(counts[k], classes);
            byte[] images = idx(0x803, bars(labels, 1, height, width, k), counts[k], height, width);
            byte[] classOf = idx(0x801, labels, counts[k]);
            String end = gzip ? ".gz" : "";
            Files.write(folder.resolve(names[k] + "-images-idx3-ubyte" + end), gzip ? gzip(images) : images);
            Files.write(folder.resolve(names[k] + "-labels-idx1-ubyte" + end), gzip ? gzip(classOf) : classOf);
        }
        return folder;
    }

    /** A folder as CIFAR-10's binary version comes: so many images in each of two files, and to test on. */
    static Path cifar(Path folder, int count, int classes) throws IOException {
        Files.createDirectories(folder);
        Files.write(folder.resolve("data_batch_1.bin"), cifarRecords(labels(count, classes), 1));
        Files.write(folder.resolve("data_batch_2.bin"), cifarRecords(labels(count, classes), 2));
        Files.write(folder.resolve("test_batch.bin"), cifarRecords(labels(count, classes), 3));
        return folder;
    }

    static byte[] cifarRecords(byte[] labels, long seed) {
        byte[] pixels = bars(labels, 3, 32, 32, seed);
        ByteBuffer bytes = ByteBuffer.allocate(labels.length + pixels.length);
        for (int i = 0; i < labels.length; i++) {
            bytes.put(labels[i]).put(pixels, i * 3072, 3072);
        }
        return bytes.array();
    }
}
