package dev.gatun.cli.train;

import dev.gatun.cli.BadInput;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/**
 * A file in the IDX format of MNIST, plain or compressed by gzip: a magic number that says type and dimensions, the
 * sizes of the dimensions, big-endian, then bytes.
 *
 * @param sizes of the dimensions, the number of items first
 * @param bytes the items
 */
record IdxFile(int[] sizes, byte[] bytes) {
    private static final int LABELS = 0x0801;
    private static final int IMAGES = 0x0803;

    /** Images and the file with their labels, which must have as many. */
    static LabelledImages pair(Path images, Path labels) throws IOException {
        IdxFile pixels = read(images, IMAGES, "images");
        IdxFile classes = read(labels, LABELS, "labels");
        if (pixels.sizes[0] != classes.sizes[0]) {
            throw new BadInput(labels + ": " + classes.sizes[0] + " labels, but " + images.getFileName() + " has "
                    + pixels.sizes[0] + " images; they do not belong together");
        }
        return new LabelledImages(1, pixels.sizes[1], pixels.sizes[2], pixels.bytes, classes.bytes);
    }

    private static IdxFile read(Path file, int magic, String what) throws IOException {
        try (InputStream in = open(file)) {
            int found =
                    ByteBuffer.wrap(exactly(in, 4, file, "the magic number")).getInt();
            if (found != magic) {
                String known = found == IMAGES ? " (images)" : found == LABELS ? " (labels)" : "";
                throw new BadInput("%s: no IDX file of %s: it begins with 0x%08x%s, not with 0x%08x"
                        .formatted(file, what, found, known, magic));
            }
            int[] sizes = new int[magic & 0xff];
            long length = 1;
            for (int d = 0; d < sizes.length; d++) {
                sizes[d] = ByteBuffer.wrap(exactly(in, 4, file, "its sizes")).getInt();
                if (sizes[d] < 1) {
                    throw new BadInput(file + ": damaged: dimension " + d + " has the size " + sizes[d]);
                }
                length = length > LabelledImages.MOST_BYTES ? length : length * sizes[d];
            }
            if (length > LabelledImages.MOST_BYTES) {
                throw new BadInput(
                        "%s: says that it has %s bytes of %s, more than %d MiB; damaged, or pass a part of it"
                                .formatted(file, times(sizes), what, LabelledImages.MOST_BYTES >> 20));
            }
            byte[] bytes = exactly(in, (int) length, file, times(sizes) + " bytes of " + what);
            if (in.read() >= 0) {
                throw new BadInput(file + ": damaged: it goes on behind " + times(sizes) + " bytes of " + what);
            }
            return new IdxFile(sizes, bytes);
        } catch (ZipException | EOFException damaged) {
            throw new BadInput(file + ": damaged gzip (" + damaged.getMessage() + "); fetch or make it again", damaged);
        }
    }

    /** By its first bytes: files are renamed, and some programs unpack without taking .gz off. */
    private static InputStream open(Path file) throws IOException {
        InputStream in = new BufferedInputStream(Files.newInputStream(file));
        try {
            in.mark(2);
            boolean gzip = in.read() == 0x1f && in.read() == 0x8b;
            in.reset();
            return gzip ? new GZIPInputStream(in, 1 << 16) : in;
        } catch (IOException | RuntimeException failed) {
            in.close();
            throw failed;
        }
    }

    /** Reads as it comes, so that a header that lies needs no memory for what is not there. */
    private static byte[] exactly(InputStream in, int length, Path file, String what) throws IOException {
        byte[] bytes = in.readNBytes(length);
        if (bytes.length < length) {
            throw new BadInput(
                    file + ": truncated: it ends after " + bytes.length + " of " + length + " bytes of " + what);
        }
        return bytes;
    }

    private static String times(int[] sizes) {
        StringBuilder text = new StringBuilder();
        for (int size : sizes) {
            text.append(text.isEmpty() ? "" : " x ").append(size);
        }
        return text.toString();
    }
}
