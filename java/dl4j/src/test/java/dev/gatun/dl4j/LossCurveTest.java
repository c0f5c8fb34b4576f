package dev.gatun.dl4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.gatun.Device;
import dev.gatun.Rule;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.junit.jupiter.api.Test;
import org.nd4j.linalg.dataset.DataSet;
import org.nd4j.linalg.learning.config.Adam;
import org.nd4j.linalg.learning.config.NoOp;

/** The same network, batches and hyperparameters: DL4J's Adam and Gatun's, in each of its forms, give the same curve. */
class LossCurveTest {
    private static final int STEPS = 200;

    private final DataSet data = Networks.data(5);

    private List<Double> curve(ToDoubleFunction<DataSet> train) {
        List<Double> losses = new ArrayList<>();
        for (int t = 0; t < STEPS; t++) {
            int from = t % 3 * 10;
            losses.add(train.applyAsDouble((DataSet) data.getRange(from, from + 10)));
        }
        return losses;
    }

    private static ToDoubleFunction<DataSet> fit(MultiLayerNetwork network) {
        return batch -> {
            network.fit(batch);
            return network.score();
        };
    }

    @Test
    void agreeWithinAThousandthAfterTwoHundredSteps() {
        MultiLayerNetwork theirs = Networks.dense(new Adam(0.02));
        List<Double> expected = curve(fit(theirs));
        assertThat(expected.getLast()).isLessThan(0.5 * expected.getFirst());

        MultiLayerNetwork updated = Networks.dense(new GatunUpdater("adam(lr=0.02)"));
        assertClose("updater", curve(fit(updated)), expected);
        try (Device device = Device.cpu(1)) {
            MultiLayerNetwork listened = Networks.dense(new NoOp());
            try (GatunStep step = GatunStep.builder(listened, device, Rule.parse("adam(lr=0.02)"))
                    .build()) {
                listened.addListeners(step.listener());
                assertClose("listener", curve(fit(listened)), expected);
            }
            MultiLayerNetwork own = Networks.dense(new NoOp());
            try (GatunStep step =
                    GatunStep.builder(own, device, Rule.parse("adam(lr=0.02)")).build()) {
                ToDoubleFunction<DataSet> loop = batch -> {
                    double loss = Networks.backward(own, batch);
                    step.step();
                    return loss;
                };
                assertClose("own loop", curve(loop), expected);
            }
        }
    }

    private static void assertClose(String form, List<Double> losses, List<Double> expected) {
        for (int t = 0; t < STEPS; t++) {
            assertThat(losses.get(t))
                    .as(form + ", step " + t)
                    .isCloseTo(expected.get(t), within(1e-3 * expected.get(t)));
        }
    }
}
