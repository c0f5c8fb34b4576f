package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** State in the caller's memory: the same bits, at the caller's addresses, and it can be gone on with. */
class AdoptedStateTest {
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

    static Stream<Subject> subjects() {
        return Subject.all(null);
    }

    /** Zeros of the types and shapes that an optimizer has as state. */
    private List<Tensor> like(List<Tensor> state) {
        List<Tensor> zeros = new ArrayList<>();
        state.forEach(tensor -> zeros.add(Tensor.allocate(arena, tensor.dtype(), tensor.shape())));
        return zeros;
    }

    @ParameterizedTest
    @MethodSource("subjects")
    void sameBitsAndGoingOnIsAsIfNeverStopped(Subject subject) {
        try (Run own = new Run(subject, device)) {
            List<Tensor> memory = like(own.memory());
            long[] taken;
            byte[] weights;
            try (Run first = new Run(subject, device, builder -> builder.adoptState(memory))) {
                own.steps(1, 3);
                first.steps(1, 3);
                assertThat(first.bits()).isEqualTo(own.bits());
                assertThat(first.memory()).isEqualTo(memory);
            }
            // Counts of groups are not kept: from here on every parameter has a gradient in every step.
            try (Run straight = new Run(subject, device);
                    Run before = new Run(subject, device, builder -> builder.adoptState(zeroed(memory)))) {
                whole(straight, 1, 4);
                whole(before, 1, 4);
                whole(straight, 5, 9);
                taken = new long[before.optimizer.parameters().size()];
                for (int i = 0; i < taken.length; i++) {
                    taken[i] = before.optimizer.stepsTaken(i);
                }
                weights = before.problem.weightBits();
                try (Run after = new Run(subject, device, builder -> builder.adoptState(memory))) {
                    restore(after, before);
                    assertThat(after.problem.weightBits()).isEqualTo(weights);
                    after.optimizer.resume(taken);
                    whole(after, 5, 9);
                    assertThat(after.bits()).isEqualTo(straight.bits());
                    assertThat(after.optimizer.steps()).isEqualTo(9);
                }
            }
        }
    }

    private static List<Tensor> zeroed(List<Tensor> tensors) {
        tensors.forEach(tensor -> tensor.memory().fill((byte) 0));
        return tensors;
    }

    private static void whole(Run run, int from, int to) {
        for (int step = from; step <= to; step++) {
            run.bindAll(step);
            run.optimizer.step();
        }
    }

    private static void restore(Run to, Run from) {
        for (int i = 0; i < to.problem.parameters.size(); i++) {
            to.problem
                    .parameters
                    .get(i)
                    .weight()
                    .memory()
                    .copyFrom(from.problem.parameters.get(i).weight().memory());
        }
    }

    private Optimizer momentum(List<Tensor> state) {
        Parameter parameter = Parameter.of("w", Tensor.allocate(arena, DType.F32, 2, 3));
        return Optimizer.builder(device)
                .group(Sgd.of(0.5).withMomentum(0.9), List.of(parameter))
                .adoptState(state)
                .build();
    }

    @Test
    void whatDoesNotFitIsRefused() {
        Tensor fits = Tensor.allocate(arena, DType.F32, 2, 3);
        momentum(List.of(fits)).close();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> momentum(List.of()))
                .withMessageContaining("state has 0 tensors, and the parameters need 1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> momentum(List.of(Tensor.allocate(arena, DType.F32, 3, 2))))
                .withMessage("the state b of 'w' must be F32[2, 3], and is F32[3, 2] on CPU");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> momentum(List.of(Tensor.allocate(arena, DType.F64, 2, 3))))
                .withMessageContaining("must be F32[2, 3], and is F64[2, 3]");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> momentum(List.of(Tensor.of(fits.memory().asReadOnly(), DType.F32, 2, 3))))
                .withMessage("the state b of 'w' is read-only, and a step writes to it");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Optimizer.builder(device)
                        .group(Sgd.of(0.5).withMomentum(0.9), List.of(Parameter.of("w", fits)))
                        .adoptState(List.of(fits))
                        .build())
                .withMessageContaining("overlaps the weight of 'w'");
    }

    @Test
    void closedMemoryIsNoticed() {
        Arena other = Arena.ofShared();
        try (Optimizer optimizer = momentum(List.of(Tensor.allocate(other, DType.F32, 2, 3)))) {
            optimizer.bindGradient(0, Tensor.allocate(arena, DType.F32, 2, 3));
            optimizer.step();
            other.close();
            assertThatIllegalStateException()
                    .isThrownBy(optimizer::step)
                    .withMessageContaining("the memory of the adopted state is closed");
        }
    }

    @Test
    void resumeWantsACountForEveryParameter() {
        try (Optimizer optimizer = momentum(List.of(Tensor.allocate(arena, DType.F32, 2, 3)))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(optimizer::resume)
                    .withMessage("stepsTaken has 0 numbers, and there are 1 parameters");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> optimizer.resume(-1))
                    .withMessageContaining("stepsTaken")
                    .withMessageContaining("-1");
            optimizer.resume(12);
            assertThat(optimizer.stepsTaken(0)).isEqualTo(12);
            assertThat(optimizer.steps()).isEqualTo(12);
        }
    }
}
