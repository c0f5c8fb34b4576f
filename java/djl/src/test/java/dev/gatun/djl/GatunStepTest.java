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
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import dev.gatun.Device;
import dev.gatun.OptimizerListener;
import dev.gatun.Rule;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GatunStepTest {
    private static final String WEIGHT = "01Linear_weight";
    private static final String BIAS = "01Linear_bias";

    @TempDir
    private Path folder;

    private NDManager manager;
    private Device device;
    private SequentialBlock block;

    @BeforeEach
    void open() {
        manager = Engine.getEngine("PyTorch").newBaseManager();
        device = Device.cpu(1);
        block = linear();
    }

    @AfterEach
    void close() {
        device.close();
        manager.close();
    }

    /** y = w x + b with w = (1, 2, 3), b = 4; then a second layer, so that paths have something to tell apart. */
    private SequentialBlock linear() {
        SequentialBlock made = new SequentialBlock()
                .add(Linear.builder().setUnits(1).build())
                .add(Linear.builder().setUnits(1).build());
        made.initialize(manager, DataType.FLOAT32, new Shape(1, 3));
        set(made, WEIGHT, 1, 2, 3);
        set(made, BIAS, 4);
        set(made, "02Linear_weight", 1);
        set(made, "02Linear_bias", 0);
        return made;
    }

    private static void set(SequentialBlock block, String path, float... values) {
        Values.fill(block.getParameters().get(path).getArray(), values);
    }

    private Parameter parameter(String path) {
        return block.getParameters().get(path);
    }

    private float[] values(String path) {
        return parameter(path).getArray().toFloatArray();
    }

    /** d loss / d w = x, d loss / d b = 1, through the second layer with weight 1. */
    private void backward(float... x) {
        try (NDManager pass = manager.newSubManager();
                GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            NDArray input = pass.create(x, new Shape(1, 3));
            NDList output = block.forward(new ParameterStore(pass, false), new NDList(input), true);
            collector.backward(output.head().sum());
        }
    }

    private GatunStep.Builder step(String rule) {
        return GatunStep.builder(block, device, Rule.parse(rule));
    }

    @Test
    void isSgdByHandAndZeroesTheGradients() {
        try (GatunStep step = step("sgd(lr=0.5, momentum=0.5)").build()) {
            backward(10, 20, 30);
            step.step();
            assertThat(values(WEIGHT)).containsExactly(1 - 5, 2 - 10, 3 - 15);
            assertThat(values(BIAS)).containsExactly(3.5f);
            try (NDArray gradient = parameter(WEIGHT).getArray().getGradient()) {
                assertThat(gradient.toFloatArray()).containsExactly(0, 0, 0);
            }
            // The second layer's weight went from 1 to 1 - 0.5 * (1*10 + 2*20 + 3*30 + 4) = -71.
            set(block, "02Linear_weight", 1);
            backward(2, 2, 2);
            step.step();
            // Momentum 0.5 * (10, 20, 30) + 2; times 0.5.
            assertThat(values(WEIGHT)).containsExactly(-4 - 3.5f, -8 - 6f, -12 - 8.5f);
            assertThat(step.steps()).isEqualTo(2);
        }
    }

    @Test
    void passesAddUpAndAScaleAveragesThem() {
        try (GatunStep step = step("sgd(lr=1)").build()) {
            backward(1, 2, 3);
            backward(3, 2, 1);
            step.gradientScale(0.5);
            step.step();
            assertThat(values(WEIGHT)).containsExactly(1 - 2, 2 - 2, 3 - 2);
        }
    }

    @Test
    void theScheduleIsUsed() {
        try (GatunStep step = step("sgd(lr=1)").schedule((t, lr) -> lr / t).build()) {
            backward(1, 0, 0);
            step.step();
            set(block, "02Linear_weight", 1);
            backward(1, 0, 0);
            step.step();
            assertThat(values(WEIGHT)[0]).isEqualTo(1 - 1 - 0.5f);
        }
    }

    @Test
    void beforeTheFirstBackwardThereIsNothingToDo() {
        try (GatunStep step = step("sgd(lr=1)").build()) {
            assertThatThrownBy(step::step)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("comes after a backward pass");
            assertThat(step.steps()).isZero();
        }
    }

    @Test
    void parametersAreKnownByPathAndRunningStatisticsAreLeftAlone() {
        SequentialBlock normed = new SequentialBlock()
                .add(Linear.builder().setUnits(2).build())
                .add(BatchNorm.builder().build());
        normed.initialize(manager, DataType.FLOAT32, new Shape(4, 3));
        try (GatunStep step =
                GatunStep.builder(normed, device, Rule.parse("adam()")).build()) {
            assertThat(step.optimizer().parameters())
                    .extracting(dev.gatun.Parameter::name)
                    .containsExactly("01Linear_weight", "01Linear_bias", "02BatchNorm_gamma", "02BatchNorm_beta");
        }
    }

    @Test
    void frozenParametersKeepTheirBits() {
        parameter(BIAS).freeze(true);
        try (GatunStep step = step("adamw(lr=0.1)").build()) {
            assertThat(step.optimizer().parameters()).hasSize(3);
            backward(1, 1, 1);
            step.step();
            assertThat(values(BIAS)).containsExactly(4);
            // Frozen later: skipped, also by weight decay, and its own step count stands still.
            parameter(WEIGHT).freeze(true);
            float[] before = values(WEIGHT);
            backward(1, 1, 1);
            step.step();
            assertThat(values(WEIGHT)).containsExactly(before);
            assertThat(step.optimizer().stepsTaken(0)).isEqualTo(1);
            parameter(WEIGHT).freeze(false);
            backward(1, 1, 1);
            step.step();
            assertThat(values(WEIGHT)).isNotEqualTo(before);
            // Never in the optimizer, so it cannot be trained from now on; saying nothing would be worse.
            parameter(BIAS).freeze(false);
            backward(1, 1, 1);
            assertThatThrownBy(step::step)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("01Linear_bias was frozen when this step was built");
        }
    }

    @Test
    void allFrozen() {
        block.freezeParameters(true);
        assertThatThrownBy(() -> step("adam()").build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("all of its 4 parameters are frozen");
    }

    @Test
    void notInitialized() {
        SequentialBlock empty =
                new SequentialBlock().add(Linear.builder().setUnits(1).build());
        assertThatThrownBy(() ->
                        GatunStep.builder(empty, device, Rule.parse("adam()")).build())
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("01Linear_weight has no array yet");
    }

    @Test
    void vectorsMayBeSparedTheDecay() {
        String rule = "sgd(lr=1, weight_decay=0.5, decay=decoupled)";
        try (GatunStep step = step(rule).decayVectors(false).build()) {
            backward(0, 0, 0);
            step.step();
            assertThat(values(WEIGHT)).containsExactly(0.5f, 1, 1.5f);
            assertThat(values(BIAS)).containsExactly(4 - 1); // its gradient is 1
        }
        block = linear();
        try (GatunStep step = step(rule).build()) {
            backward(0, 0, 0);
            step.step();
            assertThat(values(BIAS)).containsExactly(2 - 1);
        }
    }

    @Test
    void aReplacedArrayIsNoticed() {
        try (GatunStep step = step("sgd(lr=1)").build()) {
            backward(1, 1, 1);
            NDArray other = manager.zeros(new Shape(1, 3));
            block.getParameters().get(WEIGHT).close();
            parameter(WEIGHT).setShape(null);
            parameter(WEIGHT).setArray(other);
            assertThatThrownBy(step::step)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("01Linear_weight got another array");
        }
    }

    /** DJL's {@code set} of a whole array puts it elsewhere. */
    @Test
    void anArrayThatMovedIsNoticed() {
        try (GatunStep step = step("sgd(lr=1)").build()) {
            backward(1, 1, 1);
            parameter(WEIGHT).getArray().set(new float[] {5, 6, 7});
            assertThatThrownBy(step::step)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("01Linear_weight was moved", "NDIndex");
        }
    }

    @Test
    void aNaNIsRefusedAndReported() {
        try (GatunStep step = step("adam()").build()) {
            backward(1, Float.NaN, 1);
            step.step();
            assertThat(step.report().skipped()).isTrue();
            assertThat(step.report().reason()).contains("01Linear_weight");
            assertThat(values(WEIGHT)).containsExactly(1, 2, 3);
        }
    }

    @Test
    void savedAndLoadedIsAsIfNeverStopped() throws Exception {
        Path file = folder.resolve("run.safetensors");
        float[] straight;
        try (GatunStep step = step("adamw(lr=0.1)").build()) {
            train(step, 1, 5);
            step.save(file);
            train(step, 6, 10);
            straight = values(WEIGHT);
        }
        block = linear();
        try (GatunStep step = step("adamw(lr=0.1)").build()) {
            step.load(file);
            assertThat(step.steps()).isEqualTo(5);
            train(step, 6, 10);
        }
        assertThat(values(WEIGHT)).containsExactly(straight);
    }

    private void train(GatunStep step, int from, int to) {
        for (int t = from; t <= to; t++) {
            backward(t, -t, 1f / t);
            step.step();
        }
    }

    @Test
    void isAdamWByHand() {
        float[] expected = {1, 2, 3};
        double[] m = new double[3];
        double[] v = new double[3];
        try (GatunStep step = step("adamw(lr=0.1, weight_decay=0.1)").build()) {
            for (int t = 1; t <= 4; t++) {
                set(block, "02Linear_weight", 1);
                backward(t, -t, 2);
                step.step();
                double[] g = {t, -t, 2};
                for (int i = 0; i < 3; i++) {
                    m[i] = 0.9 * m[i] + 0.1 * g[i];
                    v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
                    double update = m[i] / (1 - Math.pow(0.9, t)) / (Math.sqrt(v[i] / (1 - Math.pow(0.999, t))) + 1e-8);
                    expected[i] = (float) (expected[i] * (1 - 0.1 * 0.1) - 0.1 * update);
                }
            }
            for (int i = 0; i < 3; i++) {
                assertThat(values(WEIGHT)[i]).isCloseTo(expected[i], within(2e-6f));
            }
        }
    }

    @Test
    void aBuilderBuildsAsOftenAsItIsAskedAndItsListenersAreTold() {
        List<Long> told = new ArrayList<>();
        GatunStep.Builder builder = step("sgd(lr=0.5)").listener(new OptimizerListener() {
            @Override
            public void stepped(dev.gatun.Optimizer optimizer, long step) {
                told.add(step);
            }
        });
        for (int i = 0; i < 2; i++) {
            try (GatunStep step = builder.build()) {
                backward(1, 1, 1);
                step.step();
            }
        }
        assertThat(told).containsExactly(1L, 1L);
    }

    @Test
    void closedTwice() {
        GatunStep step = step("adam()").build();
        step.close();
        step.close();
        assertThatThrownBy(step::step).isInstanceOf(IllegalStateException.class);
    }
}
