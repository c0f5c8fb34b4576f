package dev.gatun.djl;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.core.Linear;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import dev.gatun.Checkpoint;
import dev.gatun.DType;
import dev.gatun.Device;
import dev.gatun.LossScaling;
import dev.gatun.Optimizer;
import dev.gatun.Parameter;
import dev.gatun.Rule;
import dev.gatun.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Blocks whose parameters are FLOAT16, with F32 masters in the optimizer. */
class HalfBlockTest {
    private static final Rule RULE = Rule.parse("adamw(lr=0.0006, weight_decay=0.1)");

    @TempDir
    private Path folder;

    private NDManager manager;
    private Device device;

    @BeforeEach
    void open() {
        manager = Engine.getEngine("PyTorch").newBaseManager();
        device = Device.cpu(1);
    }

    @AfterEach
    void close() {
        device.close();
        manager.close();
    }

    /** y = w x with w = (1, 2, 3). */
    private Block block() {
        Block made = Linear.builder().setUnits(1).optBias(false).build();
        made.initialize(manager, DataType.FLOAT16, new Shape(1, 3));
        Tensor weight = DjlTensors.of(weight(made));
        for (int i = 0; i < 3; i++) {
            weight.set(i, 1 + i);
        }
        return made;
    }

    private static NDArray weight(Block block) {
        return block.getParameters().get(0).getValue().getArray();
    }

    /** d loss / d w = x times the scale. */
    private void backward(Block block, double scale, float... x) {
        try (NDManager pass = manager.newSubManager();
                GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector()) {
            NDArray input = pass.create(x, new Shape(1, 3)).toType(DataType.FLOAT16, false);
            NDList output = block.forward(new ParameterStore(pass, false), new NDList(input), true);
            collector.backward(output.head().sum().mul(scale)); // toType() would cut the graph
        }
    }

    @Test
    void itsStepsAreThoseOnTheSameValuesWithoutAFramework() {
        Block block = block();
        try (Arena arena = Arena.ofConfined();
                GatunStep step = GatunStep.builder(block, device, RULE).build()) {
            Tensor weight = Tensor.allocate(arena, DType.F16, 1, 3);
            Tensor gradient = Tensor.allocate(arena, DType.F16, 1, 3);
            for (int i = 0; i < 3; i++) {
                weight.set(i, 1 + i);
            }
            try (Optimizer alone = Optimizer.of(device, RULE, List.of(Parameter.of("w", weight)))) {
                alone.bindGradient(0, gradient);
                for (int t = 1; t <= 50; t++) {
                    float[] x = {0.5f * t, -0.25f, 1.5f};
                    for (int i = 0; i < 3; i++) {
                        gradient.set(i, x[i]);
                    }
                    backward(block, 1, x);
                    step.step();
                    alone.step();
                }
                assertThat(DjlTensors.of(weight(block)).toFloats()).isEqualTo(weight.toFloats());
                assertThat(step.optimizer().state(0, "master").toFloats())
                        .isEqualTo(alone.state(0, "master").toFloats());
                // 50 steps of 0.0008 or so, each less than half of what an F16 of 3 can change by: only a master adds
                // them up
                assertThat(weight.get(2)).isBetween(2.95, 2.98);
            }
        }
    }

    @Test
    void gradientsThatWouldVanishDoNotWithALossScale() {
        float[] tiny = {0x1p-26f, 0x1p-26f, 0x1p-26f}; // an F16 is 0 below 2^-25
        Block lost = block();
        Block kept = block();
        try (GatunStep plain =
                        GatunStep.builder(lost, device, Rule.parse("sgd(lr=1)")).build();
                GatunStep scaled = GatunStep.builder(kept, device, Rule.parse("sgd(lr=1)"))
                        .lossScaling(LossScaling.dynamic())
                        .build()) {
            // the output's gradient carries the scale; the input is what is tiny
            backward(lost, plain.lossScale(), 0x1p-12f, 0x1p-12f, 0x1p-12f);
            plain.step();
            assertThat(plain.report().gradientNorm()).isPositive();
            backward(kept, scaled.lossScale(), 1, 1, 1); // a gradient of 65536 is none
            scaled.step();
            assertThat(scaled.report().skipped()).isTrue();
            assertThat(scaled.lossScale()).isEqualTo(32768);
            backward(lost, tiny[0], 1, 1, 1);
            plain.step();
            assertThat(plain.report().gradientNorm()).as("vanished").isZero();
            backward(kept, scaled.lossScale() * tiny[0], 1, 1, 1);
            scaled.step();
            assertThat(scaled.report().gradientNorm()).isEqualTo(tiny[0] * Math.sqrt(3));
        }
    }

    @Test
    void savedAndLoadedIsAsIfNeverStopped() throws Exception {
        Path half = folder.resolve("half");
        Path whole = folder.resolve("whole");
        Path resumed = folder.resolve("resumed");
        Block block = block();
        try (GatunStep step = GatunStep.builder(block, device, RULE).build()) {
            train(block, step, 1, 5);
            step.save(half);
            train(block, step, 6, 10);
            step.save(whole);
        }
        Block again = block();
        try (GatunStep step = GatunStep.builder(again, device, RULE).build()) {
            step.load(half);
            train(again, step, 6, 10);
            step.save(resumed);
        }
        assertThat(Files.mismatch(whole, resumed)).isEqualTo(-1);
        assertThat(Checkpoint.read(whole).state("master", "weight")).isPresent();
    }

    private void train(Block block, GatunStep step, int from, int to) {
        for (int t = from; t <= to; t++) {
            backward(block, 1, 0.5f * t, -t, 1);
            step.step();
        }
    }

    /** Through DJL's trainer's form: parameter by parameter, with state that it does not know of. */
    @Test
    void djlsFormKeepsMastersToo() throws Exception {
        Path file = folder.resolve("djl");
        Block block = block();
        Block again = block();
        Block other = block();
        try (GatunOptimizer straight = GatunOptimizer.builder(RULE).build();
                GatunOptimizer first = GatunOptimizer.builder(RULE).build();
                GatunOptimizer second = GatunOptimizer.builder(RULE).build()) {
            update(straight, block, 1, 10);
            update(first, again, 1, 5);
            first.save(file, again);
            second.load(file, other);
            update(second, other, 6, 10);
            assertThat(DjlTensors.of(weight(other)).toFloats())
                    .isEqualTo(DjlTensors.of(weight(block)).toFloats());
            straight.save(folder.resolve("a"), block);
            second.save(folder.resolve("b"), other);
            assertThat(Files.mismatch(folder.resolve("a"), folder.resolve("b"))).isEqualTo(-1);
        }
    }

    private void update(GatunOptimizer optimizer, Block block, int from, int to) {
        for (int t = from; t <= to; t++) {
            backward(block, 1, 0.5f * t, -t, 1);
            NDArray weight = weight(block);
            try (NDArray gradient = weight.getGradient();
                    NDArray copy = gradient.duplicate()) {
                optimizer.update(block.getParameters().get(0).getValue().getId(), weight, copy);
            }
        }
    }
}
