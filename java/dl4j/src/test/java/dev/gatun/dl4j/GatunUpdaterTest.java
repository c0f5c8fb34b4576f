package dev.gatun.dl4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.Rule;
import dev.gatun.SpecificationException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.deeplearning4j.nn.graph.ComputationGraph;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.deeplearning4j.nn.updater.BaseMultiLayerUpdater;
import org.deeplearning4j.util.ModelSerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.dataset.DataSet;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.learning.config.Nesterovs;
import org.nd4j.linalg.learning.config.Sgd;
import org.nd4j.linalg.schedule.ScheduleType;
import org.nd4j.linalg.schedule.StepSchedule;

class GatunUpdaterTest {
    @TempDir
    private Path folder;

    @Test
    void movesWeightsAsDl4jsSgd() {
        DataSet data = Networks.data(2, 6, 6);
        MultiLayerNetwork theirs = Networks.images(new Sgd(0.1));
        MultiLayerNetwork ours = Networks.images(new GatunUpdater("sgd(lr=0.1)"));
        for (int t = 0; t < 5; t++) {
            theirs.fit(data);
            ours.fit(data);
        }
        assertThat(theirs.params().sub(ours.params()).normmaxNumber().doubleValue())
                .isLessThan(1e-6);
    }

    @Test
    void stateLiesInDl4jsArray() {
        MultiLayerNetwork network = Networks.dense(new GatunUpdater("adam(lr=0.01)"));
        network.fit(Networks.data(5));
        INDArray array = network.getUpdater().getStateViewArray();
        // m and v, and two elements for each of the four arrays of the block.
        assertThat(array.length()).isEqualTo(2 * 75 + 4 * StepCount.ELEMENTS);
        GatunGradientUpdater updater = (GatunGradientUpdater) ((BaseMultiLayerUpdater<?>) network.getUpdater())
                .getUpdaterBlocks()
                .getFirst()
                .getGradientUpdater();
        assertThat(updater.stateAddress("m")).isEqualTo(array.data().address());
        assertThat(updater.stateAddress("v")).isEqualTo(array.data().address() + 4 * 75);
        assertThat(updater.getState().get("m").normmaxNumber().doubleValue()).isGreaterThan(0);
        assertThat(array.getDouble(array.length() - 2)).isEqualTo(1);
        // The array that is turned into the update is DL4J's own, too.
        assertThat(updater.gradientAddress())
                .isEqualTo(network.getFlattenedGradients().data().address());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "adam(lr=0.02)",
                "adabelief(lr=0.02, weight_decay=0)",
                "pnm(lr=0.02, weight_decay=0)",
                "sgd(lr=0.1)"
            })
    void savedAndRestoredIsAsIfNeverStopped(String rule) throws Exception {
        DataSet data = Networks.data(2, 6, 6);
        MultiLayerNetwork straight = Networks.images(new GatunUpdater(rule));
        File file = folder.resolve("model.zip").toFile();
        fit(straight, data, 5);
        ModelSerializer.writeModel(straight, file, true);
        fit(straight, data, 5);
        MultiLayerNetwork restored = ModelSerializer.restoreMultiLayerNetwork(file, true);
        fit(restored, data, 5);
        assertThat(restored.params().data().asFloat())
                .containsExactly(straight.params().data().asFloat());
        assertThat(restored.getUpdater().getStateViewArray())
                .isEqualTo(straight.getUpdater().getStateViewArray());
    }

    private static void fit(MultiLayerNetwork network, DataSet data, int times) {
        for (int t = 0; t < times; t++) {
            network.fit(data);
        }
    }

    /** Counts are the state's, not the iterations': state put into a network that runs counts from where it was. */
    @Test
    void stateThatIsSetIsGoneOnWith() {
        DataSet data = Networks.data(5);
        MultiLayerNetwork one = Networks.dense(new GatunUpdater("adam(lr=0.02)"));
        MultiLayerNetwork other = Networks.dense(new GatunUpdater("adam(lr=0.02)"));
        fit(one, data, 3);
        fit(other, data, 1);
        other.setParams(one.params());
        other.getUpdater().setStateViewArray(other, one.getUpdater().getStateViewArray(), false);
        fit(one, data, 2);
        fit(other, data, 2);
        assertThat(other.params().data().asFloat())
                .containsExactly(one.params().data().asFloat());
    }

    @Test
    void anyThreadMayFit() throws Exception {
        DataSet data = Networks.data(5);
        MultiLayerNetwork one = Networks.dense(new GatunUpdater("adam(lr=0.02)"));
        MultiLayerNetwork other = Networks.dense(new GatunUpdater("adam(lr=0.02)"));
        fit(one, data, 4);
        fit(other, data, 2);
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Thread thread = Thread.ofPlatform()
                .uncaughtExceptionHandler((t, e) -> failure.set(e))
                .start(() -> fit(other, data, 1));
        thread.join();
        assertThat(failure.get()).isNull();
        fit(other, data, 1);
        assertThat(other.params().data().asFloat())
                .containsExactly(one.params().data().asFloat());
    }

    @Test
    void dl4jsScheduleAndRegularizationAreUsed() {
        DataSet data = Networks.data(5);
        StepSchedule schedule = new StepSchedule(ScheduleType.ITERATION, 0.2, 0.5, 2);
        MultiLayerNetwork theirs = Networks.regularized(new Nesterovs(schedule, 0));
        MultiLayerNetwork ours = Networks.regularized(new GatunUpdater(Rule.parse("sgd(lr=9)"), schedule));
        for (int t = 0; t < 6; t++) {
            theirs.fit(data);
            ours.fit(data);
        }
        assertThat(theirs.params().sub(ours.params()).normmaxNumber().doubleValue())
                .isLessThan(1e-6);
    }

    @Test
    void learningRatesCanBeSetInARunningNetwork() {
        MultiLayerNetwork network = Networks.dense(new GatunUpdater("adam(lr=0.02)"));
        network.fit(Networks.data(5));
        network.setLearningRate(0);
        INDArray before = network.params().dup();
        network.fit(Networks.data(5));
        assertThat(network.params()).isEqualTo(before);
        assertThat(network.getLearningRate(0)).isZero();
    }

    @Test
    void graphsKeepItToo() throws Exception {
        DataSet data = Networks.data(5);
        ComputationGraph straight = Networks.graph(new GatunUpdater("adam(lr=0.02)"));
        File file = folder.resolve("graph.zip").toFile();
        straight.fit(data);
        ModelSerializer.writeModel(straight, file, true);
        straight.fit(data);
        ComputationGraph restored = ModelSerializer.restoreComputationGraph(file, true);
        restored.fit(data);
        assertThat(restored.params().data().asFloat())
                .containsExactly(straight.params().data().asFloat());
    }

    @Test
    void jsonYamlAndJavaSerializationKeepIt() throws Exception {
        GatunUpdater updater = new GatunUpdater(
                Rule.parse("adam(lr=0.02, beta1=0.8)"), new StepSchedule(ScheduleType.EPOCH, 0.1, 0.5, 3));
        MultiLayerConfiguration configuration = Networks.denseConfiguration(updater);
        assertThat(configuration.toJson()).contains("\"rule\" : \"adam(lr=0.02, beta1=0.8)\"");
        assertThat(MultiLayerConfiguration.fromJson(configuration.toJson())).isEqualTo(configuration);
        assertThat(MultiLayerConfiguration.fromYaml(configuration.toYaml())).isEqualTo(configuration);
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        new ObjectOutputStream(bytes).writeObject(updater);
        GatunUpdater read =
                (GatunUpdater) new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray())).readObject();
        assertThat(read).isEqualTo(updater).hasSameHashCodeAs(updater);
        assertThat(read.rule()).isEqualTo(updater.rule());
        assertThat(updater.clone()).isEqualTo(updater).isNotSameAs(updater);
        assertThat(updater).isNotEqualTo(new GatunUpdater("adam(lr=0.02, beta1=0.8)"));
        assertThat(updater.getLearningRate(0, 4)).isEqualTo(0.05);
        assertThat(updater)
                .hasToString("GatunUpdater(" + updater.rule() + ", " + new StepSchedule(ScheduleType.EPOCH, 0.1, 0.5, 3)
                        + ")");
    }

    @Test
    void rulesThatSeeMoreThanGradientsAreRefusedWithTheReason() {
        for (String rule : List.of("sing()", "aida()", "lamb()", "adal()", "ladam()", "lars(lr=0.1)")) {
            assertThatThrownBy(() -> new GatunUpdater(rule))
                    .as(rule)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("cannot be an updater of DL4J")
                    .hasMessageContaining("GatunStep takes every rule");
        }
        assertThatThrownBy(() -> new GatunUpdater("ladam()")).hasMessageContaining("merges the layers");
        assertThatThrownBy(() -> new GatunUpdater("adamw()"))
                .hasMessageContaining("weight decay")
                .hasMessageContaining("weightDecay(...) or l2(...)");
        assertThatThrownBy(() -> new GatunUpdater("ema(adam())")).hasMessageContaining("needs the weights");
        assertThatThrownBy(() -> new GatunUpdater("clip(adam(), norm=1)")).hasMessageContaining("block by block");
        assertThatThrownBy(() -> new GatunUpdater("adan(")).isInstanceOf(SpecificationException.class);
    }

    @Test
    void stateOfAnotherUpdaterIsRefused() {
        MultiLayerNetwork network = Networks.dense(new GatunUpdater("adam(lr=0.02)"));
        network.getUpdater().getStateViewArray().assign(0.5);
        assertThatThrownBy(() -> network.fit(Networks.data(5)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("where the count of steps is");
    }

    @Test
    void countsBeyondAFloatsDigits() {
        INDArray elements = Nd4j.createFromArray(0f, 0f);
        for (long count : new long[] {0, 1, (1L << 24) - 1, 1L << 24, (1L << 24) + 1, 123_456_789_012L}) {
            StepCount.write(elements, count);
            assertThat(StepCount.read(elements)).isEqualTo(count);
        }
    }
}
