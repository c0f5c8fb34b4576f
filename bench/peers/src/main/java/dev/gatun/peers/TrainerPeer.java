package dev.gatun.peers;

import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Parameter;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.djl.training.Trainer;
import ai.djl.training.initializer.Initializer;
import ai.djl.training.loss.Loss;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.Tracker;
import ai.djl.util.PairList;
import java.util.ArrayList;
import java.util.List;

/** One of DJL's optimizers as its users run it: {@code Trainer.step()}, on the PyTorch engine. */
final class TrainerPeer implements Peer {
    private final Model model;
    private final Trainer trainer;
    private final List<NDArray> weights = new ArrayList<>();
    private final List<NDArray> gradients = new ArrayList<>();

    TrainerPeer(Problem problem, Optimizer optimizer) {
        model = Model.newInstance("peer", "PyTorch");
        Bare block = new Bare(problem);
        model.setBlock(block);
        trainer = model.newTrainer(new DefaultTrainingConfig(Loss.l2Loss()).optOptimizer(optimizer));
        trainer.initialize(new Shape(1));
        for (int i = 0; i < problem.tensors(); i++) {
            NDArray weight = block.parameters.get(i).getArray();
            try (NDArray start = model.getNDManager().create(problem.weight(i), weight.getShape())) {
                write(start, weight);
            }
            weights.add(weight);
            gradients.add(model.getNDManager().create(problem.gradient(i), weight.getShape()));
        }
        backward();
    }

    static Optimizer adamW() {
        return Optimizer.adamW()
                .optLearningRateTracker(Tracker.fixed(AdamW.LR))
                .optWeightDecays(AdamW.WEIGHT_DECAY)
                .build();
    }

    static Optimizer adam() {
        return Optimizer.adam().optLearningRateTracker(Tracker.fixed(AdamW.LR)).build();
    }

    /** A tensor has no gradient before a backward pass gave it one. */
    private void backward() {
        try (NDManager batch = trainer.getManager().newSubManager();
                GradientCollector collector = trainer.newGradientCollector()) {
            NDList sums = trainer.forward(new NDList(batch.create(1f)));
            collector.backward(sums.singletonOrThrow());
        }
    }

    /** Parameters and nothing else; its output is the sum of all of them, so that each gets a gradient. */
    private static final class Bare extends AbstractBlock {
        final List<Parameter> parameters = new ArrayList<>();

        Bare(Problem problem) {
            for (int i = 0; i < problem.tensors(); i++) {
                parameters.add(addParameter(Parameter.builder()
                        .setName("tensor" + i)
                        .setType(Parameter.Type.WEIGHT)
                        .optInitializer(Initializer.ZEROS)
                        .optShape(new Shape(problem.shapes().get(i)))
                        .build()));
            }
        }

        @Override
        protected NDList forwardInternal(
                ParameterStore store, NDList inputs, boolean training, PairList<String, Object> options) {
            NDArray input = inputs.singletonOrThrow();
            NDArray sum = input.mul(0);
            for (Parameter parameter : parameters) {
                sum = sum.add(
                        store.getValue(parameter, input.getDevice(), training).sum());
            }
            return new NDList(sum);
        }

        @Override
        public Shape[] getOutputShapes(Shape[] inputs) {
            return new Shape[] {new Shape()};
        }

        @Override
        protected void initializeChildBlocks(NDManager manager, DataType type, Shape... inputs) {
            // It has none.
        }
    }

    @Override
    public void gradients() {
        for (int i = 0; i < weights.size(); i++) {
            try (NDArray gradient = weights.get(i).getGradient()) {
                write(gradients.get(i), gradient);
            }
        }
    }

    /**
     * Not {@code copyTo} or {@code set(float[])}: they put the array into a Java buffer, and a garbage collection frees that
     * once the {@code NDArray} is closed, or at once. PyTorch then writes into freed memory.
     */
    private static void write(NDArray from, NDArray to) {
        to.set(new NDIndex(":"), from);
    }

    @Override
    public void step() {
        trainer.step();
    }

    @Override
    public float[] weight(int tensor) {
        return weights.get(tensor).toFloatArray();
    }

    @Override
    public void close() {
        trainer.close();
        model.close();
    }
}
