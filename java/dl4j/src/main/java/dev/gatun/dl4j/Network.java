package dev.gatun.dl4j;

import org.deeplearning4j.nn.api.Model;
import org.deeplearning4j.nn.graph.ComputationGraph;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.nd4j.linalg.api.ndarray.INDArray;

/** What MultiLayerNetwork and ComputationGraph have in common, but no interface says. */
sealed interface Network {
    /** Wraps a network that is initialized. */
    static Network of(Model model) {
        if (model == null) {
            throw new IllegalArgumentException("network must be given, and is null");
        }
        Network network = switch (model) {
            case MultiLayerNetwork layers -> new Layers(layers);
            case ComputationGraph graph -> new Graph(graph);
            default ->
                throw new IllegalArgumentException("network must be a MultiLayerNetwork or a ComputationGraph,"
                        + " and is a " + model.getClass().getName());
        };
        if (model.params() == null || model.params().length() == 0) {
            throw new IllegalStateException("the network has no parameters; call init() first");
        }
        return network;
    }

    Model model();

    NetworkParameters parameters();

    /** The flat buffer of all gradients; null before the first backward pass. */
    INDArray gradients();

    int iteration();

    int epoch();

    void iteration(int iteration);

    /** A network of layers. */
    record Layers(MultiLayerNetwork model) implements Network {
        @Override
        public NetworkParameters parameters() {
            return NetworkParameters.of(model);
        }

        @Override
        public INDArray gradients() {
            return model.getFlattenedGradients();
        }

        @Override
        public int iteration() {
            return model.getIterationCount();
        }

        @Override
        public int epoch() {
            return model.getEpochCount();
        }

        @Override
        public void iteration(int iteration) {
            model.setIterationCount(iteration);
        }
    }

    /** A graph of vertices. */
    record Graph(ComputationGraph model) implements Network {
        @Override
        public NetworkParameters parameters() {
            return NetworkParameters.of(model);
        }

        @Override
        public INDArray gradients() {
            return model.getFlattenedGradients();
        }

        @Override
        public int iteration() {
            return model.getConfiguration().getIterationCount();
        }

        @Override
        public int epoch() {
            return model.getConfiguration().getEpochCount();
        }

        @Override
        public void iteration(int iteration) {
            model.getConfiguration().setIterationCount(iteration);
        }
    }
}
