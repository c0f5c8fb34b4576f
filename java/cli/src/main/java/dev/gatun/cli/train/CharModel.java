package dev.gatun.cli.train;

import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.GradientCollector;
import ai.djl.training.Trainer;
import ai.djl.training.loss.Loss;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.util.Pair;
import dev.gatun.Tensor;
import dev.gatun.djl.DjlTensors;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The network in DJL's hands: forward and backward passes, losses in bits, weights as tensors. */
final class CharModel implements AutoCloseable {
    private static final double BITS = 1 / Math.log(2);

    /** Evaluation batches are drawn with this seed, whatever the run's: every run is measured at the same places. */
    private static final long EVALUATION_SEED = 20_260_101;

    /** ... and in batches of this size, whatever the run's: they decide the places, too. */
    private static final int EVALUATION_BATCH = 512;

    private final NDManager manager;
    private final Model model;
    private final Trainer trainer;
    private final Batches evaluation;

    /**
     * Builds the network with the weights of a seed.
     *
     * @param optimizer what {@link #frameworkStep()} uses
     */
    CharModel(ModelShape shape, int vocabulary, int batch, long seed, Optimizer optimizer) {
        manager = NDManager.newBaseManager();
        model = Model.newInstance("characters");
        model.setBlock(network(shape, vocabulary));
        DefaultTrainingConfig config =
                new DefaultTrainingConfig(Loss.softmaxCrossEntropyLoss()).optOptimizer(optimizer);
        trainer = model.newTrainer(config);
        trainer.initialize(new Shape(batch, shape.context()));
        evaluation = new Batches(EVALUATION_BATCH, shape.context());
        HeInitialization.fill(List.copyOf(weights().values()), seed);
    }

    private static Block network(ModelShape shape, int vocabulary) {
        SequentialBlock network = new SequentialBlock().add(new CharEmbedding(vocabulary, shape.embedding()));
        for (int layer = 0; layer < shape.layers(); layer++) {
            network.add(Linear.builder().setUnits(shape.width()).build()).add(Activation.reluBlock());
        }
        return network.add(Linear.builder().setUnits(vocabulary).build());
    }

    Block block() {
        return model.getBlock();
    }

    /** The weights where DJL has them, by path, in the order of the layers. */
    Map<String, Tensor> weights() {
        Map<String, Tensor> weights = new LinkedHashMap<>();
        for (Pair<String, Parameter> parameter : block().getParameters()) {
            weights.put(parameter.getKey(), DjlTensors.of(parameter.getValue().getArray()));
        }
        return weights;
    }

    /** Leaves the gradients of the batch's mean loss in DJL's arrays; returns that loss in bits per character. */
    double forwardBackward(Batches batches) {
        // Without a manager per step memory grows by 1.2 MB at each.
        try (NDManager step = manager.newSubManager();
                GradientCollector collector = trainer.newGradientCollector()) {
            NDList scores = trainer.forward(new NDList(batches.inputs(step)));
            NDArray loss = trainer.getLoss().evaluate(new NDList(batches.targets(step)), scores);
            collector.backward(loss);
            return loss.getFloat() * BITS;
        }
    }

    /** DJL's own step, with the optimizer this model was made with. */
    void frameworkStep() {
        trainer.step();
    }

    /** Mean bits per character over so many fixed places of a text, rounded up to whole batches. */
    double evaluate(byte[] text, int places) {
        int count = Math.ceilDiv(places, EVALUATION_BATCH);
        double sum = 0;
        for (int i = 0; i < count; i++) {
            evaluation.draw(text, EVALUATION_SEED, i);
            try (NDManager step = manager.newSubManager()) {
                NDList scores = trainer.evaluate(new NDList(evaluation.inputs(step)));
                sum += trainer.getLoss()
                        .evaluate(new NDList(evaluation.targets(step)), scores)
                        .getFloat();
            }
        }
        return sum / count * BITS;
    }

    long parameters() {
        return weights().values().stream().mapToLong(Tensor::length).sum();
    }

    /** SHA-256 of all weights, little-endian, in the order of the layers: equal for equal bits only. */
    String sha256() {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (Tensor weight : new ArrayList<>(weights().values())) {
                digest.update(weight.memory().asByteBuffer().order(ByteOrder.LITTLE_ENDIAN));
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException impossible) {
            throw new AssertionError("every JDK has SHA-256", impossible);
        }
    }

    @Override
    public void close() {
        trainer.close();
        model.close();
        manager.close();
    }
}
