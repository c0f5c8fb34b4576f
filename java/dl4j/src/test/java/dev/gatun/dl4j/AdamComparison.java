package dev.gatun.dl4j;

import dev.gatun.Device;
import dev.gatun.Rule;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.conf.layers.DenseLayer;
import org.deeplearning4j.nn.conf.layers.OutputLayer;
import org.deeplearning4j.nn.gradient.Gradient;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.deeplearning4j.nn.workspace.LayerWorkspaceMgr;
import org.junit.jupiter.api.Test;
import org.nd4j.linalg.activations.Activation;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.dataset.DataSet;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.learning.config.Adam;
import org.nd4j.linalg.learning.config.IUpdater;
import org.nd4j.linalg.learning.config.NoOp;
import org.nd4j.linalg.lossfunctions.LossFunctions.LossFunction;

/**
 * Trains one network with DL4J's Adam and with Gatun's, and prints the losses and what an optimizer step costs. Not a
 * test: its name is none that a build runs. {@code mvn -pl java/dl4j -am test -Dtest=AdamComparison
 * -Dsurefire.failIfNoSpecifiedTests=false}
 */
class AdamComparison {
    private static final int STEPS = 200;
    private static final int ROUNDS = 30;

    private static MultiLayerNetwork network(IUpdater updater) {
        MultiLayerNetwork network = new MultiLayerNetwork(new NeuralNetConfiguration.Builder()
                .seed(3)
                .activation(Activation.TANH)
                .updater(updater)
                .list()
                .layer(new DenseLayer.Builder().nIn(100).nOut(1000).build())
                .layer(new DenseLayer.Builder().nIn(1000).nOut(1000).build())
                .layer(new OutputLayer.Builder(LossFunction.MCXENT)
                        .nIn(1000)
                        .nOut(10)
                        .activation(Activation.SOFTMAX)
                        .build())
                .build());
        network.init();
        return network;
    }

    private static DataSet data() {
        Nd4j.getRandom().setSeed(5);
        INDArray features = Nd4j.randn(64, 100);
        INDArray labels = Nd4j.zeros(64, 10);
        for (int i = 0; i < 64; i++) {
            labels.putScalar(i, i % 10, 1);
        }
        return new DataSet(features, labels);
    }

    /** What DL4J does after the backward pass. */
    private static Runnable dl4jStep(MultiLayerNetwork network) {
        return () -> {
            Gradient gradient = network.gradient();
            network.getUpdater().update(network, gradient, 1, 0, 64, LayerWorkspaceMgr.noWorkspaces());
            network.params()
                    .subi(network.getFlattenedGradients()
                            .reshape(network.params().shape()));
        };
    }

    @Test
    void table() {
        DataSet data = data();
        try (Device device = Device.cpu()) {
            Map<String, double[]> losses = new LinkedHashMap<>();
            Map<String, Runnable> steps = new LinkedHashMap<>();
            MultiLayerNetwork theirs = network(new Adam(1e-4));
            MultiLayerNetwork updated = network(new GatunUpdater("adam(lr=1e-4)"));
            MultiLayerNetwork own = network(new NoOp());
            for (MultiLayerNetwork network : new MultiLayerNetwork[] {theirs, updated}) {
                double[] curve = new double[STEPS];
                for (int t = 0; t < STEPS; t++) {
                    network.fit(data);
                    curve[t] = network.score();
                }
                losses.put(network == theirs ? "DL4J's Adam" : "GatunUpdater", curve);
                steps.put(network == theirs ? "DL4J's Adam" : "GatunUpdater", dl4jStep(network));
            }
            try (GatunStep step =
                    GatunStep.builder(own, device, Rule.parse("adam(lr=1e-4)")).build()) {
                double[] curve = new double[STEPS];
                for (int t = 0; t < STEPS; t++) {
                    curve[t] = Networks.backward(own, data);
                    step.step();
                }
                losses.put("GatunStep", curve);
                steps.put("GatunStep", step::step);
                print(losses, medians(steps), own.numParams());
            }
        }
    }

    /** The forms in turn, so that what else the machine does hits all of them; in milliseconds. */
    private static Map<String, Double> medians(Map<String, Runnable> steps) {
        Map<String, double[]> times = new LinkedHashMap<>();
        steps.keySet().forEach(form -> times.put(form, new double[ROUNDS]));
        for (int round = 0; round < ROUNDS; round++) {
            for (Map.Entry<String, Runnable> step : steps.entrySet()) {
                step.getValue().run(); // caches and pages are its own
                long start = System.nanoTime();
                step.getValue().run();
                times.get(step.getKey())[round] = (System.nanoTime() - start) / 1e6;
            }
        }
        Map<String, Double> medians = new LinkedHashMap<>();
        times.forEach((form, all) -> {
            Arrays.sort(all);
            medians.put(form, all[ROUNDS / 2]);
        });
        return medians;
    }

    private static void print(Map<String, double[]> losses, Map<String, Double> medians, long parameters) {
        double[] theirs = losses.get("DL4J's Adam");
        System.out.printf("%d parameters, OMP_NUM_THREADS=%s%n", parameters, System.getenv("OMP_NUM_THREADS"));
        System.out.println(
                "| Adam | loss at 1 | at 50 | at 200 | largest relative difference | ms per optimizer step |");
        System.out.println("|---|---|---|---|---|---|");
        losses.forEach((form, curve) -> {
            double worst = 0;
            for (int t = 0; t < STEPS; t++) {
                worst = Math.max(worst, Math.abs(curve[t] - theirs[t]) / theirs[t]);
            }
            System.out.printf(
                    "| %s | %.6f | %.6f | %.6f | %.1e | %.2f |%n",
                    form, curve[0], curve[49], curve[STEPS - 1], worst, medians.get(form));
        });
    }
}
