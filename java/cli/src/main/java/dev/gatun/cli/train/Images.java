package dev.gatun.cli.train;

import dev.gatun.cli.BadInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * Images to learn from and to test on, from a folder with the files of MNIST or of CIFAR-10. A tenth of the images to
 * learn from is set aside to validate on.
 *
 * @param origin where they come from, for people
 * @param learned images to train and to validate on
 * @param training which of them to train on
 * @param validation which of them to validate on
 * @param test images that nothing is chosen by
 * @param classes how many there are
 */
record Images(
        String origin, LabelledImages learned, int[] training, int[] validation, LabelledImages test, int classes) {
    /** Below this a tenth is nothing to validate on. */
    private static final int FEWEST = 50;

    /** Enough to measure an accuracy to half a percent. */
    private static final int MOST_VALIDATION = 10_000;

    /** The split is a function of the images alone, not of a run's seed: runs with different seeds stay comparable. */
    private static final long SPLIT_SEED = 1;

    private static final String FORMATS = "MNIST's train-images-idx3-ubyte, train-labels-idx1-ubyte,"
            + " t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (or with .gz), or CIFAR-10's data_batch_*.bin and"
            + " test_batch.bin";

    static Images of(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            throw new BadInput("--data " + folder + ": no such folder; pass one with " + FORMATS);
        }
        List<Path> batches;
        try (Stream<Path> files = Files.list(folder)) {
            batches = files.filter(file -> file.getFileName().toString().matches("data_batch_.*\\.bin"))
                    .sorted()
                    .toList();
        }
        Path images = idx(folder, "train-images", 3);
        if (batches.isEmpty() == (images == null)) {
            throw new BadInput("--data " + folder
                    + (images == null ? ": no images" : ": both MNIST's files and CIFAR-10's") + "; pass a folder with "
                    + FORMATS);
        }
        if (images != null) {
            LabelledImages learned = IdxFile.pair(images, required(folder, "train-labels", 1));
            LabelledImages test = IdxFile.pair(required(folder, "t10k-images", 3), required(folder, "t10k-labels", 1));
            return of(folder, learned, test);
        }
        List<LabelledImages> parts = new ArrayList<>();
        for (Path batch : batches) {
            parts.add(CifarFile.read(batch));
        }
        Path test = folder.resolve("test_batch.bin");
        if (!Files.exists(test)) {
            throw new BadInput("--data " + folder + ": no test_batch.bin beside "
                    + batches.getFirst().getFileName());
        }
        return of(folder, LabelledImages.concatenate(parts), CifarFile.read(test));
    }

    /** One of MNIST's files, which are also found with a dot for the second dash and compressed; null if missing. */
    private static Path idx(Path folder, String name, int dimensions) {
        return Stream.of("-", ".")
                .flatMap(sign -> Stream.of("", ".gz")
                        .map(end -> folder.resolve(name + sign + "idx" + dimensions + "-ubyte" + end)))
                .filter(Files::exists)
                .findFirst()
                .orElse(null);
    }

    private static Path required(Path folder, String name, int dimensions) {
        Path file = idx(folder, name, dimensions);
        if (file == null) {
            throw new BadInput("--data " + folder + ": no " + name + "-idx" + dimensions
                    + "-ubyte, plain or .gz, beside the training images");
        }
        return file;
    }

    private static Images of(Path folder, LabelledImages learned, LabelledImages test) {
        String where = "--data " + folder + ": ";
        if (learned.count() < FEWEST) {
            throw new BadInput(
                    where + "too few images to train on, " + learned.count() + "; at least " + FEWEST + " are needed");
        }
        if (learned.height() != test.height() || learned.width() != test.width()) {
            throw new BadInput(where + "the test images are " + size(test) + ", those to train on " + size(learned)
                    + "; they do not belong together");
        }
        int[] order = shuffled(learned.count());
        int validated = Math.min(MOST_VALIDATION, Math.ceilDiv(learned.count(), 10));
        int[] validation = IntStream.of(order).limit(validated).toArray();
        int[] training = IntStream.of(order).skip(validated).toArray();
        return new Images(folder.toString(), learned, training, validation, test, classes(where, learned, test));
    }

    /** Labels are numbers from 0 without a gap: a damaged one falls out of the row. */
    private static int classes(String where, LabelledImages learned, LabelledImages test) {
        int[] first = new int[256];
        for (int i = learned.count() - 1; i >= 0; i--) {
            first[learned.label(i)] = i + 1;
        }
        int classes = 256;
        while (first[classes - 1] == 0) {
            classes--;
        }
        for (int label = 0; label < classes; label++) {
            if (first[label] == 0) {
                throw new BadInput("%straining image %d has the label %d, but no image has the label %d: damaged labels"
                        .formatted(where, first[classes - 1] - 1, classes - 1, label));
            }
        }
        if (classes < 2) {
            throw new BadInput(where + "all training images have the label 0; there is nothing to learn");
        }
        for (int i = 0; i < test.count(); i++) {
            if (test.label(i) >= classes) {
                throw new BadInput("%stest image %d has the label %d, but those to train on go from 0 to %d: damaged or"
                                .formatted(where, i, test.label(i), classes - 1)
                        + " mislabelled");
            }
        }
        return classes;
    }

    private static int[] shuffled(int count) {
        int[] order = IntStream.range(0, count).toArray();
        SplittableRandom random = new SplittableRandom(SPLIT_SEED);
        for (int i = count - 1; i > 0; i--) {
            int j = random.nextInt(i + 1);
            int swapped = order[i];
            order[i] = order[j];
            order[j] = swapped;
        }
        return order;
    }

    private static String size(LabelledImages images) {
        return images.height() + " x " + images.width();
    }

    /** How often each class is among the images to train on. */
    int[] frequencies() {
        int[] counts = new int[classes];
        for (int image : training) {
            counts[learned.label(image)]++;
        }
        return counts;
    }

    /** Channels, height and width, for people. */
    String shape() {
        return (learned.channels() == 1 ? "" : learned.channels() + " x ") + size(learned);
    }

    String fingerprint() {
        CRC32C sum = new CRC32C();
        for (LabelledImages images : List.of(learned, test)) {
            sum.update(images.pixels());
            sum.update(images.labels());
        }
        return "%08x-%d-%d-%s".formatted(sum.getValue(), learned.count(), test.count(), shape().replace(" ", ""));
    }
}
