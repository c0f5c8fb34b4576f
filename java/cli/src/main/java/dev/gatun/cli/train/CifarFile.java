package dev.gatun.cli.train;

import dev.gatun.cli.BadInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A file of CIFAR-10's binary version: records of a class and 32 x 32 pixels in red, then green, then blue. */
final class CifarFile {
    private static final int SIDE = 32;
    private static final int CHANNELS = 3;
    private static final int CLASSES = 10;
    private static final int RECORD = 1 + CHANNELS * SIDE * SIDE;

    private CifarFile() {}

    static LabelledImages read(Path file) throws IOException {
        long bytes = Files.size(file);
        if (bytes == 0 || bytes % RECORD != 0) {
            throw new BadInput(
                    file + ": truncated or no CIFAR-10 binary: " + bytes + " bytes are not records of " + RECORD);
        }
        if (bytes > LabelledImages.MOST_BYTES) {
            throw new BadInput(file + ": more than " + (LabelledImages.MOST_BYTES >> 20) + " MiB; pass a part of it");
        }
        byte[] content = Files.readAllBytes(file);
        int count = content.length / RECORD;
        byte[] labels = new byte[count];
        byte[] pixels = new byte[count * (RECORD - 1)];
        for (int i = 0; i < count; i++) {
            int label = content[i * RECORD] & 0xff;
            if (label >= CLASSES) {
                throw new BadInput(file + ": damaged or no CIFAR-10 binary: image " + i + " has the label " + label
                        + ", and labels go from 0 to 9");
            }
            labels[i] = (byte) label;
            System.arraycopy(content, i * RECORD + 1, pixels, i * (RECORD - 1), RECORD - 1);
        }
        return new LabelledImages(CHANNELS, SIDE, SIDE, pixels, labels);
    }
}
