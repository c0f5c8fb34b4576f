package dev.gatun.dl4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.Device;
import dev.gatun.Parameter;
import dev.gatun.Rule;
import dev.gatun.Tensor;
import java.io.File;
import java.nio.file.Path;
import java.util.List;
import org.deeplearning4j.nn.conf.GradientNormalization;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.conf.layers.OutputLayer;
import org.deeplearning4j.nn.graph.ComputationGraph;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.deeplearning4j.nn.transferlearning.TransferLearning;
import org.deeplearning4j.util.ModelSerializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.dataset.DataSet;
import org.nd4j.linalg.learning.config.Adam;
import org.nd4j.linalg.learning.config.IUpdater;
import org.nd4j.linalg.learning.config.NoOp;
import org.nd4j.linalg.learning.config.Sgd;

class GatunStepTest {
    @TempDir
    private Path folder;

    private Device device;

    @BeforeEach
    void open() {
        device = Device.cpu(1);
    }

    @AfterEach
    void close() {
        device.close();
    }

    private GatunStep.Builder step(MultiLayerNetwork network, String rule) {
        return GatunStep.builder(network, device, Rule.parse(rule));
    }

    private static Parameter parameter(GatunStep step, String name) {
        return step.optimizer().parameters().stream()
                .filter(p -> p.name().equals(name))
                .findFirst()
                .orElseThrow();
    }

    /** Whether a tensor's elements, row by row, are at the places where DL4J has (row, ...) of an array. */
    private static void assertElements(Tensor tensor, INDArray array, boolean transposed) {
        long[] shape = tensor.shape();
        for (int i = 0; i < tensor.length(); i++) {
            tensor.set(i, 1000 + i);
        }
        for (int i = 0; i < tensor.length(); i++) {
            long rest = i;
            long[] at = new long[shape.length];
            for (int d = shape.length - 1; d >= 0; d--) {
                at[transposed ? shape.length - 1 - d : d] = rest % shape[d];
                rest /= shape[d];
            }
            assertThat(array.getDouble(at)).isEqualTo(1000 + i);
        }
    }

    @Test
    void everyKindOfParameterIsSeenInRowsOfItsOutputs() {
        MultiLayerNetwork images = Networks.images(new NoOp());
        try (GatunStep step = step(images, "adam()").build()) {
            List<Parameter> parameters = step.optimizer().parameters();
            assertThat(parameters)
                    .extracting(Parameter::name)
                    .containsExactly("0_b", "0_W", "1_gamma", "1_beta", "2_W", "2_b", "3_W", "3_b");
            assertThat(parameters)
                    .extracting(Parameter::decay)
                    .containsExactly(false, true, false, false, true, false, true, false);
            assertThat(parameter(step, "0_W").weight().shape()).containsExactly(4, 2, 3, 3);
            assertElements(parameter(step, "0_W").weight(), images.getParam("0_W"), false);
            assertThat(parameter(step, "2_W").weight().shape()).containsExactly(5, 64);
            assertElements(parameter(step, "2_W").weight(), images.getParam("2_W"), true);
            for (String vector : List.of("0_b", "1_gamma", "1_beta", "2_b", "3_b")) {
                assertThat(parameter(step, vector).weight().dimensions()).isEqualTo(1);
                assertElements(parameter(step, vector).weight(), images.getParam(vector), false);
            }
        }
        MultiLayerNetwork sequences = Networks.sequences(new NoOp());
        try (GatunStep step = step(sequences, "adam()").build()) {
            // Four gates of four units, each with the weights of its three inputs, or four recurrent ones.
            assertThat(parameter(step, "0_W").weight().shape()).containsExactly(16, 3);
            assertElements(parameter(step, "0_W").weight(), sequences.getParam("0_W"), true);
            assertThat(parameter(step, "0_RW").weight().shape()).containsExactly(16, 4);
            assertElements(parameter(step, "0_RW").weight(), sequences.getParam("0_RW"), true);
            assertThat(parameter(step, "0_b").weight().shape()).containsExactly(16);
        }
    }

    @Test
    void weightsAreAtDl4jsAddresses() {
        MultiLayerNetwork network = Networks.dense(new NoOp());
        try (GatunStep step = step(network, "adam()").build()) {
            long address = network.params().data().address();
            for (Parameter parameter : step.optimizer().parameters()) {
                assertThat(parameter.weight().memory().address()).isEqualTo(address);
                address += parameter.weight().memory().byteSize();
            }
            assertThat(address).isEqualTo(network.params().data().address() + 4 * network.numParams());
            INDArray before = network.params().dup();
            Networks.backward(network, Networks.data(5));
            long gradients = network.getFlattenedGradients().data().address();
            step.step();
            assertThat(network.params()).isNotEqualTo(before);
            Networks.backward(network, Networks.data(5));
            assertThat(network.getFlattenedGradients().data().address()).isEqualTo(gradients);
        }
    }

    /** The mean of each output's row is taken off, which can only be if rows are what they should be. */
    @Test
    void aRuleWithRowMeansKeepsTheSumOfEachOutputsWeights() {
        String centered = "sing(sgd(lr=1), normalize=false)";
        MultiLayerNetwork images = Networks.images(new NoOp());
        try (GatunStep step = step(images, centered).build()) {
            INDArray dense = images.getParam("2_W").dup();
            INDArray convolution = images.getParam("0_W").dup();
            Networks.backward(images, Networks.data(2, 6, 6));
            step.step();
            assertRowsKeepTheirSum(images.getParam("2_W").sub(dense), 0);
            assertRowsKeepTheirSum(
                    images.getParam("0_W").sub(convolution).reshape('c', 4, 18).transpose(), 0);
        }
        MultiLayerNetwork sequences = Networks.sequences(new NoOp());
        try (GatunStep step = step(sequences, centered).build()) {
            INDArray recurrent = sequences.getParam("0_RW").dup();
            Networks.backward(sequences, Networks.sequenceData());
            step.step();
            assertRowsKeepTheirSum(sequences.getParam("0_RW").sub(recurrent), 0);
        }
    }

    private static void assertRowsKeepTheirSum(INDArray change, int dimension) {
        assertThat(change.norm2Number().doubleValue()).isGreaterThan(1e-4);
        assertThat(change.sum(dimension).normmaxNumber().doubleValue()).isLessThan(1e-6);
        assertThat(change.sum(1 - dimension).normmaxNumber().doubleValue()).isGreaterThan(1e-4);
    }

    /** DL4J's own SGD moves all parameters, running statistics too, as both forms of a step do. */
    @Test
    void bothFormsMoveEverythingThatDl4jMoves() {
        DataSet data = Networks.data(2, 6, 6);
        MultiLayerNetwork theirs = Networks.images(new Sgd(0.1));
        MultiLayerNetwork listened = Networks.images(new NoOp());
        MultiLayerNetwork own = Networks.images(new Adam(1)); // not asked
        assertThat(listened.params()).isEqualTo(theirs.params());
        try (GatunStep listener = step(listened, "sgd(lr=0.1)").build();
                GatunStep loop = step(own, "sgd(lr=0.1)").build()) {
            listened.addListeners(listener.listener());
            for (int t = 0; t < 5; t++) {
                theirs.fit(data);
                listened.fit(data);
                Networks.backward(own, data);
                loop.step();
            }
        }
        assertThat(theirs.getParam("1_mean").normmaxNumber().doubleValue()).isGreaterThan(0);
        assertThat(theirs.params().sub(listened.params()).normmaxNumber().doubleValue())
                .isLessThan(1e-6);
        assertThat(theirs.params().sub(own.params()).normmaxNumber().doubleValue())
                .isLessThan(1e-6);
        assertThat(own.getIterationCount()).isEqualTo(theirs.getIterationCount());
        assertThat(listened.getIterationCount()).isEqualTo(theirs.getIterationCount());
    }

    @Test
    void graphsAreSteppedLikeLayers() {
        DataSet data = Networks.data(5);
        ComputationGraph theirs = Networks.graph(new Sgd(0.1));
        ComputationGraph listened = Networks.graph(new NoOp());
        ComputationGraph own = Networks.graph(new NoOp());
        try (GatunStep listener = GatunStep.builder(listened, device, Rule.parse("sgd(lr=0.1)"))
                        .build();
                GatunStep loop = GatunStep.builder(own, device, Rule.parse("sgd(lr=0.1)"))
                        .build()) {
            assertThat(loop.optimizer().parameters())
                    .extracting(Parameter::name)
                    .containsExactly("hidden_W", "hidden_b", "out_W", "out_b");
            assertThat(parameter(loop, "hidden_W").weight().shape()).containsExactly(8, 5);
            listened.addListeners(listener.listener());
            for (int t = 0; t < 5; t++) {
                theirs.fit(data);
                listened.fit(data);
                own.setInput(0, data.getFeatures());
                own.setLabel(0, data.getLabels());
                own.computeGradientAndScore();
                loop.step();
            }
        }
        assertThat(theirs.params().sub(listened.params()).normmaxNumber().doubleValue())
                .isLessThan(1e-6);
        assertThat(theirs.params().sub(own.params()).normmaxNumber().doubleValue())
                .isLessThan(1e-6);
        assertThat(own.getIterationCount()).isEqualTo(5);
    }

    @Test
    void aRefusedStepChangesNothing() {
        for (boolean listens : new boolean[] {false, true}) {
            MultiLayerNetwork network = Networks.images(new NoOp());
            try (GatunStep step = step(network, "adam()").build()) {
                DataSet data = Networks.data(2, 6, 6);
                if (listens) {
                    network.addListeners(step.listener());
                    network.fit(data);
                } else {
                    Networks.backward(network, data);
                    step.step();
                }
                INDArray before = network.params().dup();
                data.getFeatures().putScalar(0, Float.NaN);
                if (listens) {
                    network.fit(data);
                } else {
                    Networks.backward(network, data);
                    step.step();
                }
                assertThat(step.report().skipped()).isTrue();
                assertThat(step.report().reason()).contains("0_b");
                assertThat(network.params()).isEqualTo(before);
            }
        }
    }

    @Test
    void savedAndRestoredIsAsIfNeverStopped() throws Exception {
        for (boolean listens : new boolean[] {false, true}) {
            String rule = "lookahead(sing(adamw(lr=0.02, weight_decay=0.1)), k=3)";
            DataSet data = Networks.data(2, 6, 6);
            File model = folder.resolve("model" + listens + ".zip").toFile();
            Path state = folder.resolve("optimizer" + listens + ".safetensors");
            MultiLayerNetwork straight = Networks.images(new NoOp());
            try (GatunStep step = step(straight, rule).build()) {
                train(straight, step, data, listens, 5);
                ModelSerializer.writeModel(straight, model, true);
                step.save(state);
                train(straight, step, data, listens, 5);
            }
            MultiLayerNetwork restored = ModelSerializer.restoreMultiLayerNetwork(model, true);
            try (GatunStep step = step(restored, rule).build()) {
                step.load(state);
                assertThat(step.steps()).isEqualTo(5);
                assertThat(step.optimizer().stepsTaken(0)).isEqualTo(5);
                assertThat(restored.getIterationCount()).isEqualTo(5);
                train(restored, step, data, listens, 5);
            }
            assertThat(restored.params().data().asFloat())
                    .containsExactly(straight.params().data().asFloat());
        }
    }

    private static void train(MultiLayerNetwork network, GatunStep step, DataSet data, boolean listens, int steps) {
        if (listens) {
            network.setListeners(step.listener());
        }
        for (int t = 0; t < steps; t++) {
            if (listens) {
                network.fit(data);
            } else {
                Networks.backward(network, data);
                step.step();
            }
        }
    }

    @Test
    void frozenLayersAreLeftAlone() {
        MultiLayerNetwork network = new TransferLearning.Builder(Networks.dense(new NoOp()))
                .setFeatureExtractor(0)
                .build();
        try (GatunStep step = step(network, "adamw()").build()) {
            assertThat(step.optimizer().parameters())
                    .extracting(Parameter::name)
                    .containsExactly("1_W", "1_b");
            INDArray frozen = network.getParam("0_W").dup();
            INDArray free = network.getParam("1_W").dup();
            network.addListeners(step.listener());
            network.fit(Networks.data(5));
            assertThat(network.getParam("0_W")).isEqualTo(frozen);
            assertThat(network.getParam("1_W")).isNotEqualTo(free);
        }
    }

    @Test
    void biasesAreSparedTheDecay() {
        String rule = "sgd(lr=0, weight_decay=0.5, decay=fixed)";
        MultiLayerNetwork network = Networks.dense(new NoOp());
        network.params().assign(1);
        try (GatunStep step = step(network, rule).build()) {
            Networks.backward(network, Networks.data(5));
            step.step();
            assertThat(network.getParam("0_W").getDouble(0)).isEqualTo(0.5);
            assertThat(network.getParam("0_b").getDouble(0)).isEqualTo(1);
        }
        try (GatunStep step = step(network, rule).decayVectors(true).build()) {
            Networks.backward(network, Networks.data(5));
            step.step();
            assertThat(network.getParam("0_W").getDouble(0)).isEqualTo(0.25);
            assertThat(network.getParam("0_b").getDouble(0)).isEqualTo(0.5);
        }
    }

    @Test
    void theScheduleAndTheScaleAreUsed() {
        MultiLayerNetwork network = Networks.dense(new NoOp());
        try (GatunStep step =
                step(network, "sgd(lr=1)").schedule((t, lr) -> t == 1 ? 0 : lr).build()) {
            INDArray before = network.params().dup();
            Networks.backward(network, Networks.data(5));
            step.step();
            assertThat(network.params()).isEqualTo(before);
            step.gradientScale(0.25);
            Networks.backward(network, Networks.data(5));
            INDArray expected = before.sub(network.getFlattenedGradients().mul(0.25 / 30));
            step.step();
            assertThat(network.params().sub(expected).normmaxNumber().doubleValue())
                    .isLessThan(1e-7);
        }
    }

    @Test
    void whatDl4jWouldAddIsRefused() {
        assertThatThrownBy(() -> step(regularized(), "adam()").build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("parameter 0_W is configured with [L2Regularization")
                .hasMessageContaining("give the rule a weight decay");
        assertThatThrownBy(() -> step(normalized(), "adam()").build())
                .hasMessageContaining("gradientNormalization ClipL2PerLayer");
        assertThatThrownBy(() -> GatunStep.builder((MultiLayerNetwork) null, device, Rule.parse("adam()")))
                .hasMessageContaining("network must be given");
        assertThatThrownBy(() -> step(new MultiLayerNetwork(Networks.denseConfiguration(new NoOp())), "adam()"))
                .hasMessageContaining("call init() first");
    }

    private static MultiLayerNetwork regularized() {
        return changed(new NeuralNetConfiguration.Builder().l2(0.1));
    }

    private static MultiLayerNetwork normalized() {
        return changed(
                new NeuralNetConfiguration.Builder().gradientNormalization(GradientNormalization.ClipL2PerLayer));
    }

    private static MultiLayerNetwork changed(NeuralNetConfiguration.Builder builder) {
        MultiLayerNetwork network = new MultiLayerNetwork(builder.updater(new NoOp())
                .list()
                .layer(new OutputLayer.Builder().nIn(2).nOut(2).build())
                .build());
        network.init();
        return network;
    }

    @Test
    void anotherUpdaterBesideTheListenerIsRefused() {
        IUpdater adam = new Adam(1e-3);
        try (GatunStep step = step(Networks.dense(adam), "adam()").build()) {
            assertThatThrownBy(step::listener)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("parameter 0_W has the updater Adam")
                    .hasMessageContaining("updater(new NoOp())");
        }
    }

    @Test
    void misuse() {
        MultiLayerNetwork network = Networks.dense(new NoOp());
        GatunStep step = step(network, "adam()").build();
        assertThatThrownBy(step::step)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("comes after a backward pass");
        Networks.backward(network, Networks.data(5));
        step.step();
        step.close();
        step.close();
        assertThatThrownBy(step::step).isInstanceOf(IllegalStateException.class);
        try (GatunStep other = step(network, "adam()").build()) {
            MultiLayerNetwork stranger = Networks.dense(new NoOp());
            stranger.addListeners(other.listener());
            assertThatThrownBy(() -> stranger.fit(Networks.data(5))).hasMessageContaining("got another");
        }
    }
}
