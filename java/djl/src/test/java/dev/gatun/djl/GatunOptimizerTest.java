package dev.gatun.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.DefaultTrainingConfig;
import ai.djl.training.GradientCollector;
import ai.djl.training.Trainer;
import ai.djl.training.loss.Loss;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.Tracker;
import ai.djl.util.Pair;
import dev.gatun.CheckpointException;
import dev.gatun.Rule;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GatunOptimizerTest {
    @TempDir
    private Path folder;

    /** A small network with a trainer, the same weights and batches at every start. */
    private static final class Training implements AutoCloseable {
        final SequentialBlock block = new SequentialBlock()
                .add(Linear.builder().setUnits(8).build())
                .add(Activation::tanh)
                .add(Linear.builder().setUnits(3).build());
        final Model model = Model.newInstance("small", "PyTorch");
        final Trainer trainer;
        final Optimizer optimizer;

        Training(Optimizer optimizer) {
            this.optimizer = optimizer;
            model.setBlock(block);
            trainer =
                    model.newTrainer(new DefaultTrainingConfig(Loss.softmaxCrossEntropyLoss()).optOptimizer(optimizer));
            trainer.initialize(new Shape(10, 5));
            int seed = 0;
            for (Pair<String, Parameter> pair : block.getParameters()) {
                NDArray array = pair.getValue().getArray();
                Values.fill(array, random(seed++, (int) array.size()));
            }
        }

        private static float[] random(long seed, int length) {
            SplittableRandom random = new SplittableRandom(seed);
            float[] values = new float[length];
            for (int i = 0; i < length; i++) {
                values[i] = (float) random.nextDouble(-0.5, 0.5);
            }
            return values;
        }

        /** Steps with the batches of these numbers; the losses. */
        List<Double> train(int from, int to) {
            List<Double> losses = new ArrayList<>();
            for (int t = from; t <= to; t++) {
                losses.add(backward(t));
                trainer.step();
            }
            return losses;
        }

        double backward(int t) {
            float[] inputs = random(100 + t % 3, 50);
            float[] labels = new float[10];
            for (int i = 0; i < 10; i++) {
                labels[i] = inputs[5 * i] > 0.1 ? 2 : inputs[5 * i + 1] > 0 ? 1 : 0;
            }
            try (NDManager batch = trainer.getManager().newSubManager();
                    GradientCollector collector = trainer.newGradientCollector()) {
                NDList output = trainer.forward(new NDList(batch.create(inputs, new Shape(10, 5))));
                NDArray loss = trainer.getLoss().evaluate(new NDList(batch.create(labels)), output);
                collector.backward(loss);
                return loss.getFloat();
            }
        }

        Parameter parameter(String path) {
            return block.getParameters().get(path);
        }

        /** All weights, one behind another. */
        float[] weights() {
            List<Float> all = new ArrayList<>();
            for (Pair<String, Parameter> pair : block.getParameters()) {
                for (float value : pair.getValue().getArray().toFloatArray()) {
                    all.add(value);
                }
            }
            float[] values = new float[all.size()];
            for (int i = 0; i < values.length; i++) {
                values[i] = all.get(i);
            }
            return values;
        }

        @Override
        public void close() {
            trainer.close();
            if (optimizer instanceof GatunOptimizer ours) {
                ours.close();
            }
            model.close();
        }
    }

    private static GatunOptimizer.Builder gatun(String rule) {
        return GatunOptimizer.builder(Rule.parse(rule));
    }

    private static void assertSame(Training ours, Training theirs) {
        float[] expected = theirs.weights();
        float[] actual = ours.weights();
        for (int i = 0; i < expected.length; i++) {
            assertThat(actual[i]).isCloseTo(expected[i], within(1e-6f));
        }
    }

    @Test
    void lossesAgreeWithDjlsAdamForTwoHundredSteps() {
        try (Training theirs = new Training(Optimizer.adam()
                        .optLearningRateTracker(Tracker.fixed(0.01f))
                        .build());
                Training ours = new Training(gatun("adam(lr=0.01)").build())) {
            List<Double> expected = theirs.train(1, 200);
            List<Double> losses = ours.train(1, 200);
            assertThat(expected.getLast()).isLessThan(expected.getFirst() / 2);
            for (int t = 0; t < 200; t++) {
                assertThat(losses.get(t)).as("step " + t).isCloseTo(expected.get(t), within(1e-3 * expected.get(t)));
            }
        }
    }

    /** New for each training: DJL's trackers remember how far they are. */
    private static Tracker steps() {
        return Tracker.multiFactor()
                .setBaseValue(0.5f)
                .setSteps(new int[] {3, 5})
                .optFactor(0.1f)
                .build();
    }

    @Test
    void trackerScaleAndFirstNumberAreDjls() {
        try (Training theirs = new Training(Optimizer.sgd()
                        .setLearningRateTracker(steps())
                        .setRescaleGrad(0.5f)
                        .optBeginNumUpdate(2)
                        .build());
                Training ours = new Training(gatun("sgd(lr=9)")
                        .optLearningRateTracker(steps())
                        .setRescaleGrad(0.5f)
                        .optBeginNumUpdate(2)
                        .build())) {
            theirs.train(1, 5);
            ours.train(1, 5);
            assertSame(ours, theirs);
        }
    }

    @Test
    void weightsAreMovedWhereTheyAreAndGradientsZeroed() {
        try (Training training = new Training(gatun("adam(lr=0.01)").build())) {
            NDArray weight = training.parameter("01Linear_weight").getArray();
            long address = DjlTensors.of(weight).memory().address();
            float[] before = training.weights();
            training.train(1, 2);
            assertThat(training.parameter("01Linear_weight").getArray()).isSameAs(weight);
            assertThat(DjlTensors.of(weight).memory().address()).isEqualTo(address);
            GatunOptimizer optimizer = (GatunOptimizer) training.optimizer;
            assertThat(optimizer.weightAddress(training.parameter("01Linear_weight")))
                    .isEqualTo(address);
            assertThat(optimizer.stepsTaken(training.parameter("01Linear_weight")))
                    .isEqualTo(2);
            assertThat(training.weights()).isNotEqualTo(before);
            try (NDArray gradient = weight.getGradient()) {
                assertThat(gradient.toFloatArray()).containsOnly(0);
            }
        }
    }

    @Test
    void layerwiseRulesSeeEachParameter() {
        // Normalized: every tensor's step is as long as lr, whatever its gradient.
        try (Training training =
                new Training(gatun("sing(sgd(lr=0.25), center=false)").build())) {
            float[] before = training.parameter("03Linear_weight").getArray().toFloatArray();
            training.train(1, 1);
            float[] after = training.parameter("03Linear_weight").getArray().toFloatArray();
            double squares = 0;
            for (int i = 0; i < before.length; i++) {
                squares += Math.pow(after[i] - before[i], 2);
            }
            assertThat(Math.sqrt(squares)).isCloseTo(0.25, within(1e-3));
        }
    }

    @Test
    void frozenParametersStandStill() {
        try (Training training = new Training(gatun("adamw(lr=0.1)").build())) {
            training.train(1, 1);
            Parameter bias = training.parameter("01Linear_bias");
            bias.freeze(true);
            float[] frozen = bias.getArray().toFloatArray();
            training.train(2, 3);
            GatunOptimizer optimizer = (GatunOptimizer) training.optimizer;
            assertThat(bias.getArray().toFloatArray()).containsExactly(frozen);
            assertThat(optimizer.stepsTaken(bias)).isEqualTo(1);
            bias.freeze(false);
            training.train(4, 4);
            assertThat(bias.getArray().toFloatArray()).isNotEqualTo(frozen);
            assertThat(optimizer.stepsTaken(bias)).isEqualTo(2);
            assertThat(optimizer.stepsTaken(training.parameter("01Linear_weight")))
                    .isEqualTo(4);
        }
    }

    @Test
    void savedAndLoadedIsAsIfNeverStopped() throws Exception {
        Path file = folder.resolve("run.safetensors");
        Tracker tracker = Tracker.factor().setBaseValue(0.05f).setFactor(0.7f).build();
        String rule = "lookahead(sing(adamw(lr=1, weight_decay=0.1)), k=3)";
        float[] straight;
        try (Training training =
                new Training(gatun(rule).optLearningRateTracker(tracker).build())) {
            training.train(1, 2);
            training.parameter("03Linear_bias").freeze(true);
            training.train(3, 4);
            training.parameter("03Linear_bias").freeze(false);
            ((GatunOptimizer) training.optimizer).save(file, training.block);
            training.train(5, 9);
            straight = training.weights();
        }
        // Another block: DJL's ids differ, the paths do not.
        try (Training training =
                new Training(gatun(rule).optLearningRateTracker(tracker).build())) {
            training.train(1, 1); // what was before a load is gone after it
            ((GatunOptimizer) training.optimizer).load(file, training.block);
            assertThat(((GatunOptimizer) training.optimizer).stepsTaken(training.parameter("03Linear_bias")))
                    .isEqualTo(2);
            training.train(5, 9);
            assertThat(training.weights()).containsExactly(straight);
        }
    }

    @Test
    void whatACheckpointDoesNotHaveStartsAnew() throws Exception {
        Path file = folder.resolve("run.safetensors");
        try (Training training = new Training(gatun("adam()").build())) {
            Parameter bias = training.parameter("01Linear_bias");
            GatunOptimizer optimizer = (GatunOptimizer) training.optimizer;
            bias.freeze(true);
            training.train(1, 2);
            optimizer.save(file, training.block);
            bias.freeze(false);
            training.train(3, 3);
            assertThat(optimizer.stepsTaken(bias)).isEqualTo(1);
            optimizer.load(file, training.block);
            assertThat(optimizer.stepsTaken(bias)).isZero();
            assertThat(optimizer.stepsTaken(training.parameter("01Linear_weight")))
                    .isEqualTo(2);
        }
    }

    @Test
    void aCheckpointOfAnotherRuleChangesNothing() throws Exception {
        Path file = folder.resolve("run.safetensors");
        try (Training training = new Training(gatun("adam()").build())) {
            assertThatThrownBy(() -> ((GatunOptimizer) training.optimizer).save(file, training.block))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("nothing to save before the first step");
            training.train(1, 1);
            ((GatunOptimizer) training.optimizer).save(file, training.block);
        }
        try (Training training = new Training(gatun("adam(beta1=0.8)").build())) {
            training.train(1, 2);
            float[] before = training.weights();
            assertThatThrownBy(() -> ((GatunOptimizer) training.optimizer).load(file, training.block))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("was saved with adam()");
            assertThat(training.weights()).containsExactly(before);
            assertThat(((GatunOptimizer) training.optimizer).stepsTaken(training.parameter("01Linear_bias")))
                    .isEqualTo(2);
        }
    }

    @Test
    void vectorsMayBeSparedTheDecay() {
        String rule = "sgd(lr=0, weight_decay=0.5, decay=fixed)";
        try (Training all = new Training(gatun(rule).build());
                Training matrices =
                        new Training(gatun(rule).optDecayVectors(false).build())) {
            float bias = first(all, "01Linear_bias");
            float weight = first(all, "01Linear_weight");
            all.train(1, 1);
            matrices.train(1, 1);
            assertThat(first(all, "01Linear_bias")).isEqualTo(bias / 2);
            assertThat(first(matrices, "01Linear_bias")).isEqualTo(bias);
            assertThat(first(matrices, "01Linear_weight")).isEqualTo(weight / 2);
        }
    }

    private static float first(Training training, String path) {
        return training.parameter(path).getArray().toFloatArray()[0];
    }

    @Test
    void whatCannotBeDoneIsRefused() {
        assertThatThrownBy(() -> gatun("clip(adam(), norm=1)"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("needs sums over all parameters")
                .hasMessageContaining("GatunStep");
        assertThatThrownBy(() -> gatun("adal(scope=global)")).hasMessageContaining("needs sums over all parameters");
        assertThatThrownBy(() -> gatun("adam()").optWeightDecays(0.5f))
                .hasMessageContaining("adamw(lr=0.001, weight_decay=0.5)");
        assertThatThrownBy(() -> gatun("adam()").optClipGrad(2)).hasMessageContaining("clip(..., norm=2.0)");
    }

    @Test
    void closedAndReplaced() {
        GatunOptimizer optimizer = gatun("adam()").build();
        try (Training training = new Training(optimizer)) {
            training.train(1, 1);
            NDArray other = training.trainer.getManager().zeros(new Shape(8, 5));
            NDArray gradient = training.trainer.getManager().ones(new Shape(8, 5));
            String id = training.parameter("01Linear_weight").getId();
            assertThatThrownBy(() -> optimizer.update(id, other, gradient))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("shape (8, 5) got another array");
            optimizer.close();
            optimizer.close();
            training.backward(2);
            assertThatThrownBy(training.trainer::step)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("this GatunOptimizer is closed");
        }
    }
}
