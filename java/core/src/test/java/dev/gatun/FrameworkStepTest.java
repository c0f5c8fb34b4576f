package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An adapter for a framework of two tensors in host memory; on a GPU they have twins. */
@Tag("device")
class FrameworkStepTest {
    @TempDir
    private Path folder;

    private final Arena memory = Arena.ofConfined();
    private final Device device = TestDevice.open(2);

    @AfterEach
    void close() {
        device.close();
        memory.close();
    }

    /** What a framework has: weights that stay, and gradients that it allocates when it likes. */
    private final class Net {
        final List<Tensor> weights =
                List.of(Tensor.of(memory, new float[] {1, 2, 3, 4}, 2, 2), Tensor.of(memory, new float[] {5, 6}));
        final List<Tensor> gradients = new ArrayList<>(weights); // of the same shapes, replaced below
        int asked;

        Net() {
            backward(0, 0);
        }

        void backward(float matrix, float vector) {
            gradients.set(0, Tensor.of(memory, new float[] {matrix, matrix, matrix, matrix}, 2, 2));
            gradients.set(1, Tensor.of(memory, new float[] {vector, vector}));
        }
    }

    private static final class NetStep extends FrameworkStep {
        private final Net net;

        private NetStep(Builder builder) {
            super(
                    builder,
                    arena -> List.of(
                            Parameter.of("matrix", builder.net.weights.get(0)),
                            Parameter.of("vector", builder.net.weights.get(1))));
            net = builder.net;
        }

        void step() {
            bindGradients();
            update();
        }

        @Override
        protected long gradientAddress(int index) {
            Tensor gradient = net.gradients.get(index);
            return gradient == null ? 0 : gradient.memory().address();
        }

        @Override
        protected Tensor gradient(int index, Arena arena) {
            net.asked++;
            return net.gradients.get(index);
        }

        private static final class Builder extends FrameworkStep.Builder<NetStep, Builder> {
            private final Net net;

            private Builder(Device device, Rule rule, Net net) {
                super(device, rule, true);
                this.net = net;
            }

            @Override
            protected Builder self() {
                return this;
            }

            @Override
            public NetStep build() {
                return new NetStep(this);
            }
        }
    }

    private NetStep.Builder step(String rule, Net net) {
        return new NetStep.Builder(device, Rule.parse(rule), net);
    }

    @Test
    void gradientsThatMoveAreFollowedAndOthersAreNotAskedForAgain() {
        Net net = new Net();
        try (NetStep step = step("sgd(lr=1)", net).build()) {
            net.backward(1, 2);
            step.step();
            assertThat(net.weights.get(0).toFloats()).containsExactly(0, 1, 2, 3);
            assertThat(net.weights.get(1).toFloats()).containsExactly(3, 4);
            assertThat(net.asked).isEqualTo(2);
            step.step(); // the same gradients
            assertThat(net.asked).isEqualTo(2);
            assertThat(net.weights.get(1).toFloats()).containsExactly(1, 2);
            Tensor former = net.gradients.get(0);
            net.gradients.set(0, Tensor.of(memory, new float[4], 2, 2));
            net.gradients.set(1, null);
            step.step();
            assertThat(net.asked).isEqualTo(3);
            assertThat(net.weights.get(0).toFloats()).containsExactly(-1, 0, 1, 2);
            assertThat(net.weights.get(1).toFloats()).containsExactly(1, 2);
            assertThat(step.optimizer().stepsTaken()).containsExactly(3, 2);
            net.gradients.set(0, former); // back where it was
            step.step();
            assertThat(net.weights.get(0).toFloats()).containsExactly(-2, -1, 0, 1);
            assertThat(step.steps()).isEqualTo(4);
            assertThat(step.report().skipped()).isFalse();
        }
    }

    @Test
    void twoGradientsMayChangePlaces() {
        Net net = new Net();
        net.gradients.set(0, Tensor.of(memory, new float[] {1, 1, 2, 2}, 2, 2));
        net.gradients.set(1, null);
        try (NetStep step = step("sgd(lr=1)", net).build()) {
            step.step();
            Tensor both = net.gradients.get(0);
            net.gradients.set(1, Tensor.of(both.memory().asSlice(0, 8), DType.F32, 2));
            net.gradients.set(0, Tensor.of(memory, new float[4], 2, 2));
            step.step();
            assertThat(net.weights.get(0).toFloats()).containsExactly(0, 1, 1, 2);
            assertThat(net.weights.get(1).toFloats()).containsExactly(4, 5);
        }
    }

    @Test
    void vectorsMayBeSparedTheDecay() {
        Net net = new Net();
        try (NetStep step =
                step("adamw(lr=1, weight_decay=0.5)", net).decayVectors(false).build()) {
            step.step(); // gradients of zero: nothing moves but what decays
            assertThat(net.weights.get(0).toFloats()).containsExactly(0.5f, 1, 1.5f, 2);
            assertThat(net.weights.get(1).toFloats()).containsExactly(5, 6);
        }
    }

    @Test
    void whatTheBuilderIsToldIsTold() {
        Net net = new Net();
        List<Long> told = new ArrayList<>();
        NetStep.Builder builder = step("sgd(lr=1)", net)
                .schedule((step, lr) -> lr * step)
                .checkFinite(false)
                .listener(new OptimizerListener() {
                    @Override
                    public void stepped(Optimizer optimizer, long step) {
                        told.add(step);
                    }
                });
        try (NetStep step = builder.build()) {
            step.gradientScale(0.5);
            net.backward(2, Float.POSITIVE_INFINITY);
            step.step();
            assertThat(net.weights.get(1).toFloats()).containsOnly(Float.NEGATIVE_INFINITY);
            step.step();
            assertThat(net.weights.get(0).toFloats()).containsExactly(-2, -1, 0, 1); // less 2 * 0.5 at rates of 1 and 2
            assertThat(told).containsExactly(1L, 2L);
        }
    }

    @Test
    void goesOnFromACheckpoint() throws Exception {
        Path file = folder.resolve("run.safetensors");
        Net whole = new Net();
        Net resumed = new Net();
        try (NetStep step = step("adam(lr=0.1)", whole).build()) {
            for (int i = 1; i <= 4; i++) {
                whole.backward(i, -i);
                step.step();
                if (i == 2) {
                    step.save(file);
                }
            }
        }
        try (NetStep step = step("adam(lr=0.1)", resumed).build()) {
            step.load(file);
            assertThat(step.steps()).isEqualTo(2);
            for (int i = 3; i <= 4; i++) {
                resumed.backward(i, -i);
                step.step();
            }
        }
        for (int i = 0; i < 2; i++) {
            assertThat(resumed.weights.get(i).toFloats())
                    .containsExactly(whole.weights.get(i).toFloats());
        }
    }

    @Test
    void misuseIsNamed() {
        Net net = new Net();
        NetStep step = step("sgd(lr=1)", net).build();
        net.gradients.set(0, null);
        net.gradients.set(1, null);
        assertThatIllegalStateException().isThrownBy(step::step).withMessageContaining("no parameter has a gradient");
        step.close();
        step.close();
        assertThatIllegalStateException().isThrownBy(step::step).withMessage("this NetStep is closed");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new NetStep.Builder(null, Rule.parse("adam()"), net))
                .withMessageContaining("device");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> step("adam()", net).schedule(null))
                .withMessageContaining("schedule");
    }
}
