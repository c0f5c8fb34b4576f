package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class OptimizerTest {
    private final Arena arena = Arena.ofShared();
    private Device device;

    @BeforeEach
    void open() {
        device = Device.cpu(1);
    }

    @AfterEach
    void close() {
        device.close();
        arena.close();
    }

    private Tensor vector(int n) {
        return Tensor.allocate(arena, DType.F32, n);
    }

    private Optimizer sgd(Tensor... weights) {
        List<Parameter> parameters = new ArrayList<>();
        for (int i = 0; i < weights.length; i++) {
            parameters.add(Parameter.of("w" + i, weights[i]));
        }
        return Optimizer.of(device, Sgd.of(0.5).withMomentum(0.9), parameters);
    }

    @Test
    void weightsAreCheckedWhenItIsBuilt() {
        Tensor weight = vector(8);
        Tensor readOnly = Tensor.of(weight.memory().asReadOnly(), DType.F32, 8);
        Tensor upperHalf = Tensor.of(weight.memory().asSlice(16), DType.F32, 4);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> sgd(vector(2), readOnly))
                .withMessage("the weight of 'w1' is read-only, and a step writes to it");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> sgd(weight, upperHalf))
                .withMessageStartingWith("the weight of 'w1' overlaps the weight of 'w0'");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> sgd(weight, weight))
                .withMessageContaining("overlaps");
        Tensor onGpu = new Tensor(weight.memory(), DType.F32, Device.Kind.CUDA, 8);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> sgd(onGpu))
                .withMessage("the weight of 'w0' is in memory of CUDA, and the optimizer's device is CPU");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Optimizer.of(
                        device, Sgd.of(1), List.of(Parameter.of("a", vector(1)), Parameter.of("a", vector(1)))))
                .withMessageContaining("two parameters have the name 'a'");
        Arena closed = Arena.ofConfined();
        Tensor gone = Tensor.allocate(closed, DType.F32, 2);
        closed.close();
        assertThatIllegalStateException()
                .isThrownBy(() -> sgd(gone))
                .withMessage("the memory of the weight of 'w0' is closed");
        Tensor elsewhere = CompletableFuture.supplyAsync(() -> Tensor.allocate(Arena.ofConfined(), DType.F32, 2))
                .join();
        assertThatThrownBy(() -> sgd(elsewhere))
                .isExactlyInstanceOf(WrongThreadException.class)
                .hasMessageContaining("'w0'");
    }

    @Test
    void tensorsAreCheckedWhenTheyAreMade() {
        MemorySegment memory = arena.allocate(64, 64);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tensor.of(memory, DType.F32, 15))
                .withMessage("memory has 64 bytes, but F32 of shape [15] needs 60");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tensor.of(memory.asSlice(0, 63), DType.F32, 16))
                .withMessageContaining("63 bytes");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tensor.of(memory.asSlice(2, 8), DType.F32, 2))
                .withMessageContaining("not aligned to the 4 bytes of F32");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tensor.of(memory.asSlice(4, 8), DType.F64, 1))
                .withMessageContaining("not aligned to the 8 bytes of F64");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tensor.of(MemorySegment.ofArray(new float[4]), DType.F32, 4))
                .withMessageContaining("outside the Java heap");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tensor.of(memory, DType.F32, -4, -4))
                .withMessageContaining("[-4, -4] has a negative size");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tensor.of(memory, DType.F32, 1L << 32, 1L << 32))
                .withMessageContaining("larger than any memory");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tensor.of(memory, null, 16))
                .withMessageContaining("dtype");
        assertThatIllegalArgumentException().isThrownBy(() -> Parameter.of("", vector(1)));
        assertThatIllegalArgumentException().isThrownBy(() -> Parameter.of("\ud800", vector(1)));
        assertThat(Tensor.of(memory, DType.F32, 4, 4).equals(Tensor.of(memory, DType.F32, 4, 4)))
                .isTrue();
        assertThat(Tensor.of(memory, DType.F32, 4, 4).equals(Tensor.of(memory, DType.F32, 16)))
                .isFalse();
    }

    @Test
    void gradientsAreCheckedWhenTheyAreBound() {
        Tensor weight = vector(8);
        Tensor other = vector(8);
        try (Optimizer optimizer = sgd(weight, other)) {
            Tensor bound = vector(8);
            optimizer.bindGradient(0, bound);
            assertRefused(optimizer, "is F64, and its weight is F32", Tensor.allocate(arena, DType.F64, 8));
            assertRefused(optimizer, "has shape [7], and its weight has [8]", vector(7));
            assertRefused(optimizer, "has shape [2, 4]", Tensor.allocate(arena, DType.F32, 2, 4));
            assertRefused(optimizer, "overlaps the weight of 'w0'", weight);
            assertRefused(optimizer, "overlaps the weight of 'w1'", other);
            assertRefused(optimizer, "overlaps the state of 'w1'", optimizer.state(1, "b"));
            assertRefused(optimizer, "overlaps the gradient of 'w0'", bound);
            Tensor shifted = Tensor.of(arena.allocate(64, 64).asSlice(4, 32), DType.F32, 8);
            optimizer.bindGradient(1, shifted);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> optimizer.bindGradients(Arrays.asList(vector(8))))
                    .withMessageContaining("gradients has 1 tensors, and there are 2 parameters");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> optimizer.bindGradients(Arrays.asList(shifted, shifted)))
                    .withMessageContaining("the gradient of 'w1' overlaps the gradient of 'w0'");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> optimizer.bindGradient(2, null))
                    .withMessageContaining("parameter must be from 0 to 1, and is 2");
            optimizer.bindGradients(Arrays.asList(shifted, bound)); // they change places
            optimizer.bindGradient(0, null);
            optimizer.bindGradient(1, shifted);
            bound.set(3, 100);
            shifted.set(7, 2);
            optimizer.step();
            assertThat(weight.toFloats()).as("has no gradient").containsOnly(0);
            assertThat(other.toFloats()).containsExactly(0, 0, 0, 0, 0, 0, 0, -1);
        }
    }

    private static void assertRefused(Optimizer optimizer, String reason, Tensor gradient) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> optimizer.bindGradient(1, gradient))
                .withMessageContaining("the gradient of 'w1'")
                .withMessageContaining(reason);
    }

    @Test
    void aReadOnlyGradientMayBeReadButNotZeroed() {
        Tensor weight = vector(2);
        Tensor gradient =
                Tensor.of(Tensor.of(arena, new float[] {1, 2}).memory().asReadOnly(), DType.F32, 2);
        try (Optimizer optimizer = sgd(weight)) {
            optimizer.bindGradient(0, gradient);
            optimizer.step();
            assertThat(weight.toFloats()).containsExactly(-0.5f, -1);
        }
        try (Optimizer optimizer = Optimizer.builder(device)
                .group(Sgd.of(1), List.of(Parameter.of("w", weight)))
                .zeroGradients(true)
                .build()) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> optimizer.bindGradient(0, gradient))
                    .withMessage("the gradient of 'w' is read-only, and a step writes to it");
        }
    }

    @Test
    void closedMemoryIsNoticedAtEveryStep() {
        Tensor weight = vector(2);
        try (Optimizer optimizer = sgd(weight)) {
            Arena passing = Arena.ofShared();
            optimizer.bindGradient(0, Tensor.allocate(passing, DType.F32, 2));
            optimizer.step();
            passing.close();
            assertThatIllegalStateException()
                    .isThrownBy(optimizer::step)
                    .withMessageContaining("the memory of the gradient of 'w0' is closed");
            assertThat(optimizer.steps()).isEqualTo(1);
            optimizer.bindGradient(0, null);
            optimizer.step();
            optimizer.bindGradient(0, vector(2));
            optimizer.step();
        }
        Arena passing = Arena.ofShared();
        try (Optimizer optimizer = sgd(Tensor.allocate(passing, DType.F32, 2))) {
            passing.close();
            assertThatIllegalStateException()
                    .isThrownBy(optimizer::step)
                    .withMessageContaining("the memory of the weight of 'w0' is closed");
        }
    }

    @Test
    void itBelongsToItsThread() {
        try (Optimizer optimizer = sgd(vector(2))) {
            for (Runnable use : List.<Runnable>of(
                    optimizer::step,
                    optimizer::report,
                    optimizer::close,
                    () -> optimizer.bindGradient(0, null),
                    () -> optimizer.gradientScale(2))) {
                Throwable thrown = CompletableFuture.supplyAsync(() -> catchThrowable(use::run))
                        .join();
                assertThat(thrown)
                        .isExactlyInstanceOf(WrongThreadException.class)
                        .hasMessageContaining(Thread.currentThread().getName());
            }
            optimizer.step();
            assertThat(optimizer.steps()).isEqualTo(1);
        }
    }

    @Test
    void aClosedOptimizerRefusesEverything() {
        Optimizer optimizer = sgd(vector(2));
        Tensor state = optimizer.state(0, "b");
        optimizer.close();
        optimizer.close();
        assertThatIllegalStateException().isThrownBy(optimizer::step).withMessage("the optimizer is closed");
        assertThatIllegalStateException().isThrownBy(optimizer::report);
        assertThatIllegalStateException().isThrownBy(() -> optimizer.bindGradient(0, null));
        assertThatIllegalStateException().isThrownBy(() -> optimizer.state(0, "b"));
        assertThatIllegalStateException().isThrownBy(() -> optimizer.stepsTaken(0));
        assertThatIllegalStateException().isThrownBy(() -> state.get(0));
    }

    @Test
    void theScheduleIsAskedAndChecked() {
        Tensor weight = vector(1);
        Tensor gradient = Tensor.of(arena, new float[] {1});
        double[] rate = {0.25};
        try (Optimizer optimizer = Optimizer.builder(device)
                .group(ParameterGroup.of(Sgd.of(1), List.of(Parameter.of("w", weight)))
                        .withSchedule((step, lr) -> rate[0] * step))
                .build()) {
            optimizer.bindGradients(List.of(gradient));
            optimizer.step();
            optimizer.step();
            assertThat(weight.get(0)).isEqualTo(-0.75);
            for (double bad : new double[] {Double.NaN, -1, Double.POSITIVE_INFINITY}) {
                rate[0] = bad;
                assertThatIllegalArgumentException()
                        .isThrownBy(optimizer::step)
                        .withMessageContaining("schedule of group 0")
                        .withMessageContaining("at step 3");
                assertThat(weight.get(0)).isEqualTo(-0.75);
                assertThat(optimizer.steps()).isEqualTo(2);
            }
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> optimizer.gradientScale(Double.NaN))
                    .withMessage("scale must be above 0 and finite, and is NaN");
        }
    }

    @Test
    void groupsMayMixTypesAndBeEmpty() {
        Tensor single = Tensor.of(arena, new float[] {1});
        Tensor twice = Tensor.of(arena, new double[] {1});
        try (Optimizer optimizer = Optimizer.builder(device)
                .group(Sgd.of(1), List.of(Parameter.of("a", single), Parameter.of("b", twice)))
                .group(Adam.of(1), List.of())
                .build()) {
            optimizer.bindGradients(
                    List.of(Tensor.of(arena, new float[] {0.25f}), Tensor.of(arena, new double[] {0.1})));
            optimizer.step();
            assertThat(single.get(0)).isEqualTo(0.75);
            assertThat(twice.get(0)).isEqualTo(0.9);
            assertThat(optimizer.bytesPerParameter()).isEqualTo((16 + 32) / 2.0);
        }
        try (Optimizer optimizer = Optimizer.of(device, Sgd.of(1), List.of())) {
            optimizer.step();
            assertThat(optimizer.steps()).isEqualTo(1);
            assertThat(optimizer.report().skipped()).isFalse();
        }
    }

    @Test
    void tenThousandSmallTensorsAreTheSameAsOneByOne() {
        Rule rule = Rule.parse("sing(sgd(lr=0.1, momentum=0.9))");
        List<Parameter> parameters = new ArrayList<>();
        List<Tensor> gradients = new ArrayList<>();
        List<Tensor> alone = new ArrayList<>();
        for (int i = 0; i < 10_000; i++) {
            float[] values = new float[1 + i % 7];
            Arrays.fill(values, i * 1e-3f);
            parameters.add(Parameter.of("p" + i, Tensor.of(arena, values)));
            alone.add(Tensor.of(arena, values));
            values[0] = 1 + i;
            gradients.add(Tensor.of(arena, values));
        }
        try (Optimizer optimizer = Optimizer.of(device, rule, parameters)) {
            optimizer.bindGradients(gradients);
            optimizer.step();
        }
        for (int i = 0; i < alone.size(); i += 997) {
            try (Optimizer optimizer = Optimizer.of(device, rule, List.of(Parameter.of("p", alone.get(i))))) {
                optimizer.bindGradient(0, gradients.get(i));
                optimizer.step();
            }
            assertThat(parameters.get(i).weight().toFloats())
                    .isEqualTo(alone.get(i).toFloats());
        }
    }

    @Test
    void aThousandOptimizersLeaveNothingBehind() {
        for (int i = 0; i < 1000; i++) {
            try (Optimizer optimizer = sgd(vector(1))) {
                optimizer.step();
            }
        }
        assertThat(device.isInUse()).isFalse();
    }

    @Test
    void oneThatNobodyClosedIsCleanedUp() throws InterruptedException {
        for (int i = 0; i < 10; i++) {
            forget();
        }
        assertThat(device.isInUse()).isTrue();
        for (int i = 0; i < 200 && device.isInUse(); i++) {
            System.gc();
            Thread.sleep(50);
        }
        assertThat(device.isInUse()).isFalse();
    }

    private void forget() {
        Optimizer optimizer = sgd(vector(100));
        optimizer.step();
        assertThat(optimizer.steps()).isEqualTo(1);
    }
}
