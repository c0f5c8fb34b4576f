package dev.gatun.dl4j;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.deeplearning4j.nn.api.OptimizationAlgorithm;
import org.deeplearning4j.nn.api.ParamInitializer;
import org.deeplearning4j.nn.api.Trainable;
import org.deeplearning4j.nn.api.TrainingConfig;
import org.deeplearning4j.nn.conf.GradientNormalization;
import org.deeplearning4j.nn.conf.layers.Layer;
import org.deeplearning4j.nn.graph.ComputationGraph;
import org.deeplearning4j.nn.graph.vertex.GraphVertex;
import org.deeplearning4j.nn.layers.FrozenLayer;
import org.deeplearning4j.nn.layers.FrozenLayerWithBackprop;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.indexing.NDArrayIndex;
import org.nd4j.linalg.learning.config.IUpdater;
import org.nd4j.linalg.learning.regularization.Regularization;

/**
 * The parameters of a network as views of its flat buffer, in order: what is trained, and what DL4J treats as parameters
 * although it is none, the running statistics of batch normalization. Frozen layers are left out.
 *
 * @param flat the buffer
 * @param trained parameters with gradients
 * @param statistics arrays whose "gradient" is an amount to be subtracted as it is
 */
record NetworkParameters(INDArray flat, List<Entry> trained, List<Entry> statistics) {
    /**
     * One array of a layer.
     *
     * @param name as in the network's {@code paramTable()}: {@code 0_W}, or {@code dense1_W} in a graph
     * @param view into the flat buffer
     * @param offset of its first element in the flat buffer
     * @param matrix whether it has rows, one for each output; biases, gains and the like have not
     * @param updater what the configuration says should update it
     */
    record Entry(String name, INDArray view, long offset, boolean matrix, IUpdater updater) {}

    static NetworkParameters of(MultiLayerNetwork network) {
        NetworkParameters parameters = new NetworkParameters(network.params(), new ArrayList<>(), new ArrayList<>());
        requireGradientDescent(network.conf().getOptimizationAlgo());
        org.deeplearning4j.nn.api.Layer[] layers = network.getLayers();
        for (int i = 0; i < layers.length; i++) {
            parameters.add(Integer.toString(i), layers[i], layers[i]);
        }
        return parameters.requireSome();
    }

    static NetworkParameters of(ComputationGraph network) {
        NetworkParameters parameters = new NetworkParameters(network.params(), new ArrayList<>(), new ArrayList<>());
        requireGradientDescent(network.conf().getOptimizationAlgo());
        GraphVertex[] vertices = network.getVertices();
        for (int index : network.topologicalSortOrder()) {
            GraphVertex vertex = vertices[index];
            if (vertex.numParams() > 0) {
                parameters.add(vertex.getVertexName(), vertex, vertex.hasLayer() ? vertex.getLayer() : null);
            }
        }
        return parameters.requireSome();
    }

    private static void requireGradientDescent(OptimizationAlgorithm algorithm) {
        if (algorithm != null && algorithm != OptimizationAlgorithm.STOCHASTIC_GRADIENT_DESCENT) {
            throw new IllegalArgumentException("the network's optimizationAlgo is " + algorithm
                    + ", which steps by itself; configure STOCHASTIC_GRADIENT_DESCENT, the default");
        }
    }

    private void add(String name, Trainable trainable, org.deeplearning4j.nn.api.Layer layerOrNull) {
        if (layerOrNull instanceof FrozenLayer || layerOrNull instanceof FrozenLayerWithBackprop) {
            return;
        }
        Map<String, INDArray> table = trainable.paramTable(false);
        if (table == null) {
            return;
        }
        TrainingConfig config = trainable.getConfig();
        table.forEach((key, view) -> {
            if (view.isEmpty() || config.isPretrainParam(key)) {
                return;
            }
            String full = name + "_" + key;
            boolean statistic = !trainable.updaterDivideByMinibatch(key);
            boolean matrix = view.rank() >= 2 && !isBias(layerOrNull, key);
            Entry entry = new Entry(full, view, view.offset() - flat.offset(), matrix, config.getUpdaterByParam(key));
            if (statistic) {
                statistics.add(entry);
            } else {
                requireNothingElse(full, key, config);
                trained.add(entry);
            }
        });
    }

    private static boolean isBias(org.deeplearning4j.nn.api.Layer layerOrNull, String key) {
        if (layerOrNull == null) {
            return false;
        }
        Layer configuration = layerOrNull.conf().getLayer();
        ParamInitializer initializer = configuration == null ? null : configuration.initializer();
        return initializer != null && initializer.isBiasParam(configuration, key);
    }

    /** DL4J's updaters add these to the gradients; where they do not run, leaving them out would go unseen. */
    private static void requireNothingElse(String name, String key, TrainingConfig config) {
        List<Regularization> regularization = config.getRegularizationByParam(key);
        if (regularization != null && !regularization.isEmpty()) {
            throw new IllegalArgumentException("parameter " + name + " is configured with " + regularization
                    + ", which only DL4J's own updaters apply: take l1, l2 and weightDecay out of the configuration and"
                    + " give the rule a weight decay");
        }
        GradientNormalization normalization = config.getGradientNormalization();
        if (normalization != null && normalization != GradientNormalization.None) {
            throw new IllegalArgumentException("parameter " + name + " is configured with gradientNormalization "
                    + normalization + ", which only DL4J's own updaters apply: take it out of the configuration; a rule"
                    + " clips by global norm as clip(..., norm=1)");
        }
    }

    private NetworkParameters requireSome() {
        if (trained.isEmpty()) {
            throw new IllegalArgumentException(
                    "network: it has no parameters that are trained, or all of its layers are frozen");
        }
        return this;
    }

    /** The part of a flat buffer that belongs to a parameter, as a vector; a view. */
    static INDArray slice(INDArray flat, Entry entry) {
        INDArray vector = flat.reshape(flat.length());
        return vector.get(NDArrayIndex.interval(
                entry.offset(), entry.offset() + entry.view().length()));
    }

    /** The shape of a parameter for a rule: rows of a matrix, or a vector. */
    static long[] shape(Entry entry) {
        return entry.matrix()
                ? Nd4jTensors.of(entry.view()).shape()
                : new long[] {entry.view().length()};
    }
}
