package dev.gatun.cli.train;

import dev.gatun.cli.BadInput;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Sizes of the convolutional network: 3 x 3 filters with ReLU and 2 x 2 maximum pooling in each layer, then one dense
 * layer with ReLU, then one score per class (LeCun et al. 1998, "Gradient-based learning applied to document
 * recognition").
 *
 * @param filters of each convolution
 * @param units of the dense layer
 */
record ConvShape(String name, List<Integer> filters, int units) implements ModelShape {
    /** 105,866 parameters over images of 28 x 28. */
    static final ConvShape DEFAULT = new ConvShape("default", List.of(16, 32), 64);

    static ConvShape parse(String text) {
        if (text.equals("default")) {
            return DEFAULT;
        }
        int[] n = ModelShape.numbers(text);
        if (n.length < 2 || n.length > 9 || Arrays.stream(n).anyMatch(size -> size > 4096)) {
            throw ModelShape.refused(
                    text,
                    "default, or FILTERS,...,UNITS such as 16,32,64 (1 to 8 convolutions, at most" + " 4096 each)");
        }
        return new ConvShape(text, Arrays.stream(n).limit(n.length - 1).boxed().toList(), n[n.length - 1]);
    }

    @Override
    public Kind task() {
        return Kind.IMAGES;
    }

    @Override
    public Task load(Path data) throws IOException {
        if (data == null) {
            throw new BadInput("--task images: there are no images here to train on; pass --data DIR with the files of"
                    + " MNIST, Fashion-MNIST (Debian and Ubuntu: package dataset-fashion-mnist, then"
                    + " --data /usr/share/datasets/fashion-mnist) or CIFAR-10 (binary version)");
        }
        return new ImageTask(Images.of(data), this);
    }

    @Override
    public int batch() {
        return 64;
    }

    @Override
    public int steps() {
        return 1000;
    }

    @Override
    public int quickSteps() {
        return 250;
    }

    /**
     * One: oneDNN splits the sums of a convolution's gradient over its threads, so their number would change the bits
     * of the result (seen with PyTorch 2.7.1 after 60 steps with 1, 2 and 3 threads).
     */
    @Override
    public int threads(int asked) {
        return 1;
    }

    @Override
    public String toString() {
        return "convolutions of %s filters, dense layer of %d"
                .formatted(filters.stream().map(String::valueOf).collect(Collectors.joining(" and ")), units);
    }
}
