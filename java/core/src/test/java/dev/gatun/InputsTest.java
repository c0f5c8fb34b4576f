package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What {@code bindInput} and {@code bindInputPower} refuse, in which words, and that a refusal leaves what was bound. */
class InputsTest {
    private final Arena arena = Arena.ofShared();
    private Device device;
    private Tensor dense;
    private Tensor convolution;
    private Optimizer optimizer;

    @BeforeEach
    void open() {
        device = Device.cpu(1);
        dense = tensor(4, 3);
        convolution = tensor(4, 2, 5, 5);
        optimizer = Optimizer.of(
                device,
                Nsgd.of(0.5).withMomentum(0),
                List.of(
                        Parameter.of("dense", dense),
                        Parameter.of("conv", convolution).withGroups(2),
                        Parameter.of("bias", tensor(4))));
    }

    @AfterEach
    void close() {
        optimizer.close();
        device.close();
        arena.close();
    }

    private Tensor tensor(long... shape) {
        return Tensor.allocate(arena, DType.F32, shape);
    }

    private void refused(int index, Tensor input, String message) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> optimizer.bindInput(index, input))
                .withMessageStartingWith(message);
    }

    private void powerRefused(int index, Tensor power, String message) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> optimizer.bindInputPower(index, power))
                .withMessageStartingWith(message);
    }

    @Test
    void shapesAreCheckedAgainstTheWeights() {
        refused(0, tensor(3), "the input of 'dense' must have shape (samples, 3) or (..., 3), and has [3]");
        refused(0, tensor(3, 4), "the input of 'dense' must have shape (samples, 3) or (..., 3), and has [3, 4]");
        refused(0, tensor(0, 3), "the input of 'dense' has no samples");
        refused(0, tensor(7, 0, 3), "the input of 'dense' has no samples");
        refused(
                1,
                tensor(6, 2, 9, 9),
                "the input of 'conv' must have shape (samples, 4, size, size), and has [6, 2, 9, 9]");
        refused(1, tensor(6, 4, 9), "the input of 'conv' must have shape (samples, 4, size, size), and has [6, 4, 9]");
        refused(2, tensor(6, 4), "'bias' takes no input: only weights of two or more dimensions do");
        Tensor single = tensor(4, 2, 5, 5);
        try (Optimizer ungrouped = Optimizer.of(device, Nsgd.of(0.5), List.of(Parameter.of("conv", single)))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> ungrouped.bindInput(0, tensor(6, 4, 9, 9)))
                    .withMessageEndingWith(": a grouped convolution's parameter needs withGroups");
        }
        try (Optimizer other = Optimizer.of(device, Adam.w(0.5), List.of(Parameter.of("w", single)))) {
            assertThat(other.takesInput(0)).isFalse();
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> other.bindInput(0, tensor(6, 2, 9, 9)))
                    .withMessageEndingWith("in a group whose rule is nsgd or insgd");
        }
        assertThat(List.of(optimizer.takesInput(0), optimizer.takesInput(1), optimizer.takesInput(2)))
                .containsExactly(true, true, false);
    }

    @Test
    void memoryIsChecked() {
        Tensor onGpu = new Tensor(tensor(6, 3).memory(), DType.F32, Device.Kind.CUDA, 6, 3);
        refused(0, onGpu, "the input of 'dense' is in memory of CUDA, and the optimizer's device is CPU");
        refused(0, Tensor.allocate(arena, DType.BF16, 6, 3), "the input of 'dense' must be F32 or F64");
        refused(0, dense, "the input of 'dense' overlaps the weight of 'dense'");
        Arena closed = Arena.ofShared();
        Tensor gone = Tensor.allocate(closed, DType.F32, 6, 3);
        closed.close();
        assertThatIllegalStateException()
                .isThrownBy(() -> optimizer.bindInput(0, gone))
                .withMessage("the memory of the input of 'dense' is closed");
        optimizer.bindInput(0, Tensor.of(tensor(6, 3).memory().asReadOnly(), DType.F32, 6, 3));
    }

    @Test
    void powersAreCheckedAgainstTheChannels() {
        powerRefused(0, tensor(1), "the input power of 'dense' must be F64 with 1 elements, and is ");
        powerRefused(1, Tensor.allocate(arena, DType.F64, 2), "the input power of 'conv' must be F64 with 4 elements");
        powerRefused(2, Tensor.allocate(arena, DType.F64, 1), "'bias' takes no input");
        optimizer.bindInputPower(1, Tensor.allocate(arena, DType.F64, 4));
    }

    @Test
    void whatWasBoundStaysBoundWhenItsSuccessorIsRefused() {
        Tensor input = tensor(1, 3);
        input.memory().setAtIndex(ValueLayout.JAVA_FLOAT, 0, 3); // power 9
        Tensor gradient = tensor(4, 3);
        gradient.memory().fill((byte) 0);
        gradient.memory().setAtIndex(ValueLayout.JAVA_FLOAT, 0, 1);
        optimizer.bindGradient(0, gradient);
        optimizer.bindInput(0, input);
        refused(0, tensor(3), "the input of 'dense'");
        powerRefused(0, tensor(1), "the input power of 'dense'");
        optimizer.step();
        // d = 9 + eps = 9.01: the step is lr / d.
        assertThat(dense.memory().getAtIndex(ValueLayout.JAVA_FLOAT, 0)).isEqualTo((float) (-0.5 / 9.01), within());
    }

    private static Offset<Float> within() {
        return Offset.offset(1e-8f);
    }

    @Test
    void aStepNeedsTheInputThatTheLastOneHad() {
        Tensor gradient = tensor(4, 3);
        optimizer.bindGradient(0, gradient);
        optimizer.step(); // never fed: plain gradient descent
        Arena own = Arena.ofShared();
        optimizer.bindInput(0, Tensor.allocate(own, DType.F32, 2, 3));
        optimizer.step();
        optimizer.bindInput(0, null);
        assertThatIllegalStateException()
                .isThrownBy(optimizer::step)
                .withMessageStartingWith("'dense' has a gradient and no input, and had one before");
        optimizer.bindInput(0, Tensor.allocate(own, DType.F32, 2, 3));
        optimizer.step();
        own.close();
        assertThatIllegalStateException()
                .isThrownBy(optimizer::step)
                .withMessageStartingWith("the memory of the input of 'dense' is closed");
        optimizer.bindGradient(0, null);
        optimizer.bindInput(0, null);
        optimizer.step();
    }
}
