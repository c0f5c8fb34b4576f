package dev.gatun.cli.train;

import dev.gatun.cli.BadInput;
import java.util.List;

/**
 * Images of one size with a class each, as the files have them.
 *
 * @param pixels 0 to 255: image by image, channel by channel, row by row
 * @param labels the class of each image, 0 to 255
 */
record LabelledImages(int channels, int height, int width, byte[] pixels, byte[] labels) {
    /** All pixels are held in memory, beside PyTorch's libraries: 256 MiB of the 1 GB heap. */
    static final long MOST_BYTES = 256L << 20;

    int count() {
        return labels.length;
    }

    /** Bytes of one image. */
    int size() {
        return channels * height * width;
    }

    int label(int image) {
        return labels[image] & 0xff;
    }

    /** Several files as one. */
    static LabelledImages concatenate(List<LabelledImages> parts) {
        LabelledImages first = parts.getFirst();
        long bytes = parts.stream().mapToLong(part -> part.pixels.length).sum();
        if (bytes > MOST_BYTES) {
            throw new BadInput("more than " + (MOST_BYTES >> 20) + " MiB of images; pass a part of them");
        }
        byte[] pixels = new byte[(int) bytes];
        byte[] labels = new byte[pixels.length / first.size()];
        int at = 0;
        for (LabelledImages part : parts) {
            System.arraycopy(part.pixels, 0, pixels, at * first.size(), part.pixels.length);
            System.arraycopy(part.labels, 0, labels, at, part.count());
            at += part.count();
        }
        return new LabelledImages(first.channels, first.height, first.width, pixels, labels);
    }
}
