package dev.gatun.dl4j;

import java.util.SplittableRandom;
import org.deeplearning4j.nn.conf.ComputationGraphConfiguration;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.conf.inputs.InputType;
import org.deeplearning4j.nn.conf.layers.BatchNormalization;
import org.deeplearning4j.nn.conf.layers.ConvolutionLayer;
import org.deeplearning4j.nn.conf.layers.DenseLayer;
import org.deeplearning4j.nn.conf.layers.LSTM;
import org.deeplearning4j.nn.conf.layers.OutputLayer;
import org.deeplearning4j.nn.conf.layers.RnnOutputLayer;
import org.deeplearning4j.nn.graph.ComputationGraph;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.nd4j.linalg.activations.Activation;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.dataset.DataSet;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.learning.config.IUpdater;
import org.nd4j.linalg.lossfunctions.LossFunctions.LossFunction;

/** Small networks with every kind of parameter, the same at every call, and data for them. */
final class Networks {
    private Networks() {}

    private static NeuralNetConfiguration.Builder configuration(IUpdater updater) {
        return new NeuralNetConfiguration.Builder()
                .seed(12)
                .dataType(DataType.FLOAT)
                .activation(Activation.TANH)
                .updater(updater);
    }

    /** Dense 5 - 8 - 3, 75 parameters. */
    static MultiLayerNetwork dense(IUpdater updater) {
        return started(denseConfiguration(updater));
    }

    static MultiLayerConfiguration denseConfiguration(IUpdater updater) {
        return configuration(updater)
                .list()
                .layer(new DenseLayer.Builder().nIn(5).nOut(8).build())
                .layer(output(8, 3))
                .build();
    }

    /** As {@link #dense}, with L2 for the first layer and DL4J's weight decay for the second. */
    static MultiLayerNetwork regularized(IUpdater updater) {
        return started(configuration(updater)
                .list()
                .layer(new DenseLayer.Builder().nIn(5).nOut(8).l2(0.1).build())
                .layer(new DenseLayer.Builder().nIn(8).nOut(8).weightDecay(0.1).build())
                .layer(output(8, 3))
                .build());
    }

    /** Convolution, batch normalization, dense, softmax, on images of 2 channels of 6 by 6. */
    static MultiLayerNetwork images(IUpdater updater) {
        return started(configuration(updater)
                .list()
                .layer(new ConvolutionLayer.Builder(3, 3).nOut(4).build())
                .layer(new BatchNormalization())
                .layer(new DenseLayer.Builder().nOut(5).build())
                .layer(output(5, 3))
                .setInputType(InputType.convolutional(6, 6, 2))
                .build());
    }

    /** An LSTM of 4 units over sequences of 3 numbers. */
    static MultiLayerNetwork sequences(IUpdater updater) {
        return started(configuration(updater)
                .list()
                .layer(new LSTM.Builder().nIn(3).nOut(4).build())
                .layer(new RnnOutputLayer.Builder(LossFunction.MCXENT)
                        .nIn(4)
                        .nOut(2)
                        .activation(Activation.SOFTMAX)
                        .build())
                .build());
    }

    /** Two dense layers in a graph, added in another order than they are computed in. */
    static ComputationGraph graph(IUpdater updater) {
        ComputationGraphConfiguration configuration = configuration(updater)
                .graphBuilder()
                .addInputs("in")
                .addLayer("out", output(8, 3), "hidden")
                .addLayer("hidden", new DenseLayer.Builder().nIn(5).nOut(8).build(), "in")
                .setOutputs("out")
                .build();
        ComputationGraph graph = new ComputationGraph(configuration);
        graph.init();
        return graph;
    }

    private static OutputLayer output(int in, int out) {
        return new OutputLayer.Builder(LossFunction.MCXENT)
                .nIn(in)
                .nOut(out)
                .activation(Activation.SOFTMAX)
                .build();
    }

    private static MultiLayerNetwork started(MultiLayerConfiguration configuration) {
        MultiLayerNetwork network = new MultiLayerNetwork(configuration);
        network.init();
        return network;
    }

    /** Thirty random examples that belong to the class of their largest first inputs. */
    static DataSet data(long... shape) {
        long[] all = new long[shape.length + 1];
        all[0] = 30;
        System.arraycopy(shape, 0, all, 1, shape.length);
        INDArray features = random(77, all);
        INDArray flat = features.reshape(30, features.length() / 30);
        INDArray labels = Nd4j.zeros(DataType.FLOAT, 30, 3);
        for (int i = 0; i < 30; i++) {
            int best = 0;
            for (int k = 1; k < 3; k++) {
                best = flat.getDouble(i, k) > flat.getDouble(i, best) ? k : best;
            }
            labels.putScalar(i, best, 1);
        }
        return new DataSet(features, labels);
    }

    /** Six sequences of seven steps, with the sign of the running sum as label. */
    static DataSet sequenceData() {
        INDArray features = random(78, 6, 3, 7);
        INDArray labels = Nd4j.zeros(DataType.FLOAT, 6, 2, 7);
        for (int i = 0; i < 6; i++) {
            double sum = 0;
            for (int t = 0; t < 7; t++) {
                sum += features.getDouble(i, 0, t);
                labels.putScalar(new int[] {i, sum > 0 ? 1 : 0, t}, 1);
            }
        }
        return new DataSet(features, labels);
    }

    private static INDArray random(long seed, long... shape) {
        long length = 1;
        for (long size : shape) {
            length *= size;
        }
        SplittableRandom random = new SplittableRandom(seed);
        float[] values = new float[(int) length];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextDouble(-1, 1);
        }
        return Nd4j.createFromArray(values).reshape('c', shape);
    }

    /** The backward pass of a loop of one's own. */
    static double backward(MultiLayerNetwork network, DataSet data) {
        network.setInput(data.getFeatures());
        network.setLabels(data.getLabels());
        network.computeGradientAndScore();
        return network.score();
    }
}
