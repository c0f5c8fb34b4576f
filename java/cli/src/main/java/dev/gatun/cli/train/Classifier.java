package dev.gatun.cli.train;

import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
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
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;

/** A task's network in DJL's hands: forward and backward passes, losses in bits, weights as tensors. */
final class Classifier implements AutoCloseable {
    private static final double BITS = 1 / Math.log(2);

    /** Evaluation goes by batches of this size, whatever the run's: they decide what is measured. */
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
    Classifier(Task task, int batch, long seed, Optimizer optimizer) {
        manager = NDManager.newBaseManager();
        model = Model.newInstance("classifier");
        model.setBlock(task.network());
        DefaultTrainingConfig config =
                new DefaultTrainingConfig(Loss.softmaxCrossEntropyLoss()).optOptimizer(optimizer);
        trainer = model.newTrainer(config);
        trainer.initialize(task.input(batch));
        evaluation = task.batches(EVALUATION_BATCH);
        HeInitialization.fill(weights(), seed);
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

    /** Leaves the gradients of the batch's mean loss in DJL's arrays; returns that loss in bits. */
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

    /** Mean loss and accuracy over the batches that a part of the data is measured by. */
    Score evaluate(Part part, boolean thorough) {
        double bits = 0;
        long right = 0;
        long examples = 0;
        for (int i = 0; evaluation.draw(part, i, thorough); i++) {
            try (NDManager step = manager.newSubManager()) {
                NDArray scores =
                        trainer.evaluate(new NDList(evaluation.inputs(step))).singletonOrThrow();
                NDArray classes = evaluation.targets(step);
                long[] best = scores.argMax(1).toLongArray();
                long[] wanted = classes.toLongArray();
                double loss = trainer.getLoss()
                        .evaluate(new NDList(classes), new NDList(scores))
                        .getFloat();
                bits += loss * BITS * wanted.length;
                for (int k = 0; k < wanted.length; k++) {
                    right += best[k] == wanted[k] ? 1 : 0;
                }
                examples += wanted.length;
            }
        }
        return new Score(bits / examples, (double) right / examples);
    }

    long parameters() {
        return weights().values().stream().mapToLong(Tensor::length).sum();
    }

    /** SHA-256 of all weights, little-endian, in the order of the layers: equal for equal bits only. */
    String sha256() {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (Tensor weight : weights().values()) {
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
