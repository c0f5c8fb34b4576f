package dev.gatun.cli.train;

import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.Blocks;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.nn.core.Linear;
import ai.djl.nn.pooling.Pool;
import dev.gatun.djl.FedBlock;
import java.util.List;
import java.util.stream.IntStream;

/** Telling the class of an image by a convolutional network. */
record ImageTask(Images images, ConvShape shape, Normalization normalization) implements Task {
    ImageTask(Images images, ConvShape shape) {
        this(images, shape, new Normalization(images));
    }

    @Override
    public Block network() {
        FedBlock network = new FedBlock();
        int side = Math.min(images.learned().height(), images.learned().width());
        Shape pool = new Shape(2, 2);
        for (int filters : shape.filters()) {
            network.add(Conv2d.builder()
                            .setKernelShape(new Shape(3, 3))
                            .optPadding(new Shape(1, 1))
                            .setFilters(filters)
                            .build())
                    .add(Activation.reluBlock());
            if (side >= 2) { // else there is nothing left to pool
                network.add(Pool.maxPool2dBlock(pool, pool));
                side /= 2;
            }
        }
        return network.add(Blocks.batchFlattenBlock())
                .add(Linear.builder().setUnits(shape.units()).build())
                .add(Activation.reluBlock())
                .add(Linear.builder().setUnits(images.classes()).build());
    }

    @Override
    public Shape input(int batch) {
        LabelledImages like = images.learned();
        return new Shape(batch, like.channels(), like.height(), like.width());
    }

    @Override
    public Batches batches(int size) {
        return new ImageBatches(images, normalization, size);
    }

    @Override
    public String example() {
        return "image";
    }

    /** The most frequent class, and all classes by their frequency among the images to train on. */
    @Override
    public List<Baseline> baselines() {
        int[] counts = images.frequencies();
        int most = IntStream.range(0, counts.length)
                .boxed()
                .max((a, b) -> counts[a] - counts[b])
                .orElseThrow();
        double bits = 0;
        int right = 0;
        for (int image : images.validation()) {
            int label = images.learned().label(image);
            // Once more than it occurred, so that a class that is in the validation part only costs something finite.
            double share = (counts[label] + 1.0) / (images.training().length + counts.length);
            bits -= Math.log(share) / Math.log(2);
            right += label == most ? 1 : 0;
        }
        int n = images.validation().length;
        return List.of(new Baseline("class frequencies", new Score(bits / n, (double) right / n)));
    }

    @Override
    public String summary() {
        return "images: %s: %,d of %s to train on, %d classes"
                .formatted(images.origin(), images.training().length, images.shape(), images.classes());
    }

    @Override
    public List<Fact> facts() {
        return List.of(
                new Fact("images", "%s: %s, %d classes".formatted(images.origin(), images.shape(), images.classes())),
                new Fact(
                        "number of them",
                        "%,d training, %,d validation, %,d test; measured on all of a part"
                                .formatted(
                                        images.training().length,
                                        images.validation().length,
                                        images.test().count())));
    }

    @Override
    public String fingerprint() {
        return images.fingerprint();
    }
}
