package dev.gatun.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Blocks;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.nn.core.Linear;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import dev.gatun.Device;
import dev.gatun.Rule;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The power in the optimizer's state is that of the input which produced the gradient, computed here by hand. */
class FedBlockTest {
    private static final Rule INSGD = Rule.parse("insgd(lr=0.1)");

    private final NDManager manager = Engine.getEngine("PyTorch").newBaseManager();
    private final Device device = Device.cpu(1);

    @AfterEach
    void close() {
        device.close();
        manager.close();
    }

    private void fill(SequentialBlock block) {
        SplittableRandom random = new SplittableRandom(4);
        block.getParameters().forEach(pair -> {
            float[] values = random.doubles(pair.getValue().getArray().size(), -1, 1)
                    .collect(
                            () -> java.nio.FloatBuffer.allocate(
                                    (int) pair.getValue().getArray().size()),
                            (buffer, value) -> buffer.put((float) value),
                            (a, b) -> {})
                    .array();
            Values.fill(pair.getValue().getArray(), values);
        });
    }

    private float[] numbers(int count, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] numbers = new float[count];
        for (int i = 0; i < count; i++) {
            numbers[i] = (float) random.nextDouble(-2, 2);
        }
        return numbers;
    }

    private void pass(SequentialBlock block, Shape shape, float[] x, boolean training) {
        try (NDManager pass = manager.newSubManager();
                GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            NDArray input = pass.create(x, shape);
            NDList output = block.forward(new ParameterStore(pass, false), new NDList(input), training);
            if (training) {
                collector.backward(output.head().sum());
            }
        }
    }

    /** Mean over the batch of the sum of squares; the second layer sees what the first and its ReLU made of it. */
    @Test
    void denseLayers() {
        FedBlock block = new FedBlock();
        block.add(Linear.builder().setUnits(4).build())
                .add(Activation.reluBlock())
                .add(Linear.builder().setUnits(2).build());
        block.initialize(manager, DataType.FLOAT32, new Shape(5, 3));
        fill(block);
        try (GatunStep step = GatunStep.builder(block, device, INSGD).build()) {
            float[] weight =
                    block.getParameters().get("01Linear_weight").getArray().toFloatArray();
            float[] bias = block.getParameters().get("01Linear_bias").getArray().toFloatArray();
            float[] x = numbers(15, 1);
            pass(block, new Shape(5, 3), x, true);
            pass(
                    block,
                    new Shape(2, 3),
                    numbers(6, 2),
                    false); // an evaluation in between is not what made the gradient
            step.step();
            double first = 0;
            double second = 0;
            for (int sample = 0; sample < 5; sample++) {
                for (int j = 0; j < 3; j++) {
                    first += x[sample * 3 + j] * (double) x[sample * 3 + j] / 5;
                }
                for (int unit = 0; unit < 4; unit++) {
                    double sum = bias[unit];
                    for (int j = 0; j < 3; j++) {
                        sum += x[sample * 3 + j] * (double) weight[unit * 3 + j];
                    }
                    second += sum > 0 ? sum * sum / 5 : 0;
                }
            }
            assertThat(power(step, "01Linear_weight")[0]).isEqualTo(first, within(1e-5));
            assertThat(power(step, "03Linear_weight")[0]).isEqualTo(second, within(1e-5));
        }
    }

    /** One power for every input channel, with groups, too, and of each batch its own. */
    @Test
    void convolutions() {
        FedBlock block = new FedBlock();
        block.add(Conv2d.builder()
                        .setKernelShape(new Shape(3, 3))
                        .optPadding(new Shape(1, 1))
                        .optGroups(2)
                        .setFilters(6)
                        .build())
                .add(Blocks.batchFlattenBlock())
                .add(Linear.builder().setUnits(2).build());
        block.initialize(manager, DataType.FLOAT32, new Shape(2, 4, 3, 3));
        fill(block);
        try (GatunStep step = GatunStep.builder(block, device, INSGD).build()) {
            for (int batch = 2; batch <= 3; batch++) {
                float[] x = numbers(batch * 36, batch);
                pass(block, new Shape(batch, 4, 3, 3), x, true);
                step.step();
                double[] expected = new double[4];
                for (int i = 0; i < x.length; i++) {
                    expected[i / 9 % 4] += x[i] * (double) x[i] / batch;
                }
                assertThat(power(step, "01Conv2d_weight")).containsExactly(expected, within(1e-5));
            }
        }
    }

    @Test
    void severalPassesAreRefusedAndOtherRulesKeepNothing() {
        FedBlock block = new FedBlock();
        block.add(Linear.builder().setUnits(1).build());
        block.initialize(manager, DataType.FLOAT32, new Shape(1, 3));
        try (GatunStep step =
                GatunStep.builder(block, device, Rule.parse("adamw")).build()) {
            pass(block, new Shape(1, 3), numbers(3, 1), true);
            pass(block, new Shape(1, 3), numbers(3, 1), true);
            step.step();
            assertThat(block.input(block.getParameters().get("01Linear_weight")))
                    .isNull();
        }
        try (GatunStep step = GatunStep.builder(block, device, INSGD).build()) {
            pass(block, new Shape(1, 3), numbers(3, 1), true);
            pass(block, new Shape(1, 3), numbers(3, 2), true);
            assertThatThrownBy(step::step)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("the gradients are of 2 training passes");
        }
    }

    private static double[] power(GatunStep step, String path) {
        for (int i = 0; i < step.optimizer().parameters().size(); i++) {
            if (step.optimizer().parameters().get(i).name().equals(path)) {
                return step.optimizer().state(i, "power").toDoubles();
            }
        }
        throw new AssertionError(path);
    }
}
