package dev.gatun.djl;

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
import dev.gatun.Device;
import dev.gatun.Rule;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/**
 * Trains one network with DJL's Adam and with Gatun's, and prints the losses and what an optimizer step costs. Not a
 * test: its name is none that a build runs. {@code mvn -pl java/djl -am test -Dtest=AdamComparison
 * -Dsurefire.failIfNoSpecifiedTests=false}
 */
class AdamComparison {
    private static final int STEPS = 200;

    /** The losses, and the median of the optimizer steps after the first in milliseconds. */
    private record Result(double[] losses, double milliseconds) {}

    private static Trainer trainer(Model model, Optimizer optimizer) {
        model.setBlock(new SequentialBlock()
                .add(Linear.builder().setUnits(1000).build())
                .add(Activation::tanh)
                .add(Linear.builder().setUnits(1000).build())
                .add(Activation::tanh)
                .add(Linear.builder().setUnits(10).build()));
        Trainer trainer =
                model.newTrainer(new DefaultTrainingConfig(Loss.softmaxCrossEntropyLoss()).optOptimizer(optimizer));
        trainer.initialize(new Shape(64, 100));
        SplittableRandom random = new SplittableRandom(1);
        for (Pair<String, Parameter> pair : model.getBlock().getParameters()) {
            NDArray array = pair.getValue().getArray();
            float[] values = new float[(int) array.size()];
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) random.nextDouble(-0.05, 0.05);
            }
            Values.fill(array, values);
        }
        return trainer;
    }

    private static Result train(Trainer trainer, Runnable step) {
        SplittableRandom random = new SplittableRandom(2);
        float[] inputs = new float[64 * 100];
        float[] classes = new float[64];
        for (int i = 0; i < inputs.length; i++) {
            inputs[i] = (float) random.nextGaussian();
        }
        for (int i = 0; i < 64; i++) {
            classes[i] = i % 10;
        }
        double[] losses = new double[STEPS];
        double[] times = new double[STEPS];
        for (int t = 0; t < STEPS; t++) {
            try (NDManager batch = trainer.getManager().newSubManager();
                    GradientCollector collector = trainer.newGradientCollector()) {
                NDList output = trainer.forward(new NDList(batch.create(inputs, new Shape(64, 100))));
                NDArray loss = trainer.getLoss().evaluate(new NDList(batch.create(classes)), output);
                collector.backward(loss);
                losses[t] = loss.getFloat();
            }
            long start = System.nanoTime();
            step.run();
            times[t] = (System.nanoTime() - start) / 1e6;
        }
        Arrays.sort(times);
        return new Result(losses, times[STEPS / 2]);
    }

    private static Optimizer djlAdam() {
        return Optimizer.adam().optLearningRateTracker(Tracker.fixed(1e-4f)).build();
    }

    @Test
    void table() {
        Map<String, Result> results = new LinkedHashMap<>();
        Rule adam = Rule.parse("adam(lr=1e-4)");
        try (Model model = Model.newInstance("djl", "PyTorch");
                Trainer trainer = trainer(model, djlAdam())) {
            results.put("DJL's Adam", train(trainer, trainer::step));
        }
        try (GatunOptimizer optimizer = GatunOptimizer.builder(adam).build();
                Model model = Model.newInstance("optimizer", "PyTorch");
                Trainer trainer = trainer(model, optimizer)) {
            results.put("GatunOptimizer", train(trainer, trainer::step));
        }
        try (Device device = Device.cpu();
                Model model = Model.newInstance("step", "PyTorch");
                Trainer trainer = trainer(model, djlAdam());
                GatunStep step =
                        GatunStep.builder(model.getBlock(), device, adam).build()) {
            results.put("GatunStep", train(trainer, step::step));
        }
        double[] theirs = results.get("DJL's Adam").losses();
        System.out.println(
                "| Adam | loss at 1 | at 50 | at 200 | largest relative difference | ms per optimizer step |");
        System.out.println("|---|---|---|---|---|---|");
        results.forEach((form, result) -> {
            double worst = 0;
            for (int t = 0; t < STEPS; t++) {
                worst = Math.max(worst, Math.abs(result.losses()[t] - theirs[t]) / theirs[t]);
            }
            System.out.printf(
                    "| %s | %.6f | %.6f | %.6f | %.1e | %.2f |%n",
                    form,
                    result.losses()[0],
                    result.losses()[49],
                    result.losses()[STEPS - 1],
                    worst,
                    result.milliseconds());
        });
    }
}
