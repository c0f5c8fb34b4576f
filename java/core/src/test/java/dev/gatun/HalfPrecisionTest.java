package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** BF16 and F16 in tensors, files and optimizers; what a step computes with them is {@link OptimizerContract}'s. */
class HalfPrecisionTest {
    @TempDir
    Path folder;

    private Device device;
    private Arena arena;

    @BeforeEach
    void open() {
        device = Device.cpu(2);
        arena = Arena.ofConfined();
    }

    @AfterEach
    void close() {
        arena.close();
        device.close();
    }

    @Test
    void everyF16IsJavas() {
        Tensor tensor = Tensor.allocate(arena, DType.F16, 1);
        for (int bits = 0; bits < 65536; bits++) {
            tensor.memory().set(ValueLayout.JAVA_SHORT, 0, (short) bits);
            float value = Float.float16ToFloat((short) bits);
            assertThat(Float.valueOf((float) tensor.get(0))).isEqualTo(Float.valueOf(value));
            tensor.set(0, value);
            short back = tensor.memory().get(ValueLayout.JAVA_SHORT, 0);
            assertThat(Float.isNaN(value) ? Float.isNaN(Float.float16ToFloat(back)) : back == (short) bits)
                    .isTrue();
        }
    }

    @Test
    void everyBf16IsTheUpperHalfOfAFloat() {
        Tensor tensor = Tensor.allocate(arena, DType.BF16, 1);
        for (int bits = 0; bits < 65536; bits++) {
            tensor.memory().set(ValueLayout.JAVA_SHORT, 0, (short) bits);
            float value = Float.intBitsToFloat(bits << 16);
            assertThat(Float.valueOf((float) tensor.get(0))).isEqualTo(Float.valueOf(value));
            tensor.set(0, value);
            short back = tensor.memory().get(ValueLayout.JAVA_SHORT, 0);
            assertThat(Float.isNaN(value) ? Double.isNaN(tensor.get(0)) : back == (short) bits)
                    .isTrue();
        }
    }

    /** Around every border between two neighbours, and as little beside it as a double can be. */
    @ParameterizedTest
    @EnumSource(names = {"BF16", "F16"})
    void setRoundsOnceAndToEven(DType dtype) {
        Tensor tensor = Tensor.allocate(arena, dtype, 1);
        int infinity = dtype == DType.BF16 ? 0x7f80 : 0x7c00;
        double largestStep = dtype == DType.BF16 ? 0x1p120 : 32;
        for (int bits = 0; bits < infinity; bits++) {
            double low = HalfPrecision.toFloat(dtype, (short) bits);
            double high = bits + 1 == infinity ? low + largestStep : HalfPrecision.toFloat(dtype, (short) (bits + 1));
            double middle = (low + high) / 2;
            assertSet(tensor, middle, bits % 2 == 0 ? bits : bits + 1);
            assertSet(tensor, Math.nextDown(middle), bits);
            assertSet(tensor, Math.nextUp(middle), bits + 1);
            assertSet(tensor, -Math.nextDown(middle), bits | 0x8000);
            assertSet(tensor, -Math.nextUp(middle), bits + 1 | 0x8000);
        }
        assertSet(tensor, 1e300, infinity);
        assertSet(tensor, Double.NEGATIVE_INFINITY, infinity | 0x8000);
        assertSet(tensor, -Double.MIN_VALUE, 0x8000);
    }

    private static void assertSet(Tensor tensor, double value, int bits) {
        tensor.set(0, value);
        assertThat(Short.toUnsignedInt(tensor.memory().get(ValueLayout.JAVA_SHORT, 0)))
                .as("%s as %s", value, tensor.dtype())
                .isEqualTo(bits);
    }

    @ParameterizedTest
    @EnumSource(names = {"BF16", "F16"})
    void tensorsAndFilesKeepThem(DType dtype) throws IOException {
        Tensor tensor = Tensor.allocate(arena, dtype, 3);
        for (int i = 0; i < 3; i++) {
            tensor.set(i, 1.5 - i);
        }
        assertThat(tensor.toFloats()).containsExactly(1.5f, 0.5f, -0.5f);
        assertThat(tensor.toDoubles()).containsExactly(1.5, 0.5, -0.5);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tensor.of(arena.allocate(9).asSlice(1, 6), dtype, 3))
                .withMessageContaining("not aligned to the 2 bytes of " + dtype);
        Path file = folder.resolve("half");
        Safetensors.write(file, Map.of(), Map.of("a", tensor, "b", Tensor.of(arena, new float[] {7})));
        Tensor read = Safetensors.read(file).tensor("a");
        assertThat(read.dtype()).isEqualTo(dtype);
        assertThat(read.toFloats()).containsExactly(1.5f, 0.5f, -0.5f);
    }

    private Tensor tensor(DType dtype, double value) {
        Tensor tensor = Tensor.allocate(arena, dtype, 100);
        for (int i = 0; i < 100; i++) {
            tensor.set(i, value);
        }
        return tensor;
    }

    private OptimizerBuilder builder(Tensor weight, String specification) {
        return Optimizer.builder(device).group(Rule.parse(specification), List.of(Parameter.of("w", weight)));
    }

    @Test
    void typesThatDoNotGoTogetherAreRefused() {
        try (Optimizer optimizer = builder(tensor(DType.BF16, 1), "sgd(lr=1)").build();
                Optimizer wide = builder(tensor(DType.F64, 1), "sgd(lr=1)").build()) {
            for (DType dtype : DType.values()) {
                Tensor gradient = tensor(dtype, 1);
                Optimizer refuses = dtype == DType.F64 ? optimizer : wide;
                Optimizer takes = dtype == DType.F64 ? wide : optimizer;
                takes.bindGradient(0, gradient);
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> refuses.bindGradient(0, gradient))
                        .withMessage("the gradient of 'w' is " + dtype + ", and its weight is "
                                + (dtype == DType.F64 ? "BF16: it must be F32, BF16 or F16" : "F64: it must be F64"));
            }
        }
    }

    @Test
    void mastersKeepWhatWeightsCannot() {
        Tensor weight = tensor(DType.BF16, 1);
        try (Optimizer optimizer = builder(weight, "sgd(lr=0.001)").build()) {
            optimizer.bindGradient(0, tensor(DType.F16, 1));
            for (int step = 0; step < 1000; step++) { // BF16 alone would stay at 1: its step there is 1/256
                optimizer.step();
            }
            assertThat(optimizer.state(0, "master").get(99)).isBetween(-1e-4, 1e-4);
            assertThat(weight.get(99)).isBetween(-1e-4, 1e-4);
            assertThat(optimizer.state(0, "master").dtype()).isEqualTo(DType.F32);
        }
    }

    @Test
    void bytesCountWhatMoves() {
        try (Optimizer optimizer =
                builder(tensor(DType.BF16, 1), "adamw()").checkFinite(false).build()) {
            // master, m and v there and back, 2 of the gradient, 2 of the weight, which is only written
            assertThat(optimizer.bytesPerParameter()).isEqualTo(28);
            optimizer.bindGradient(0, tensor(DType.F32, 1));
            assertThat(optimizer.bytesPerParameter()).isEqualTo(30);
        }
        assertThat(Rule.parse("adamw()").bytesPerParameter(DType.F32, DType.BF16, true))
                .isEqualTo(28);
        assertThat(Rule.parse("sing()").bytesPerParameter(DType.F16, false))
                .isEqualTo(Rule.parse("sing()").bytesPerParameter(DType.F32, false) - 2 * 2 + 2);
    }

    @Test
    void aCheckpointKnowsItsRounding() throws IOException {
        Path file = folder.resolve("drawn");
        try (Optimizer optimizer = builder(tensor(DType.F16, 1), "adamw()")
                .rounding(Rounding.STOCHASTIC)
                .seed(Long.MIN_VALUE)
                .build()) {
            optimizer.bindGradient(0, tensor(DType.BF16, 1));
            optimizer.step();
            optimizer.save(file);
            optimizer.load(file);
        }
        Checkpoint checkpoint = Checkpoint.read(file);
        assertThat(checkpoint.seed()).hasValue(Long.MIN_VALUE);
        assertThat(checkpoint.state("master", "w").orElseThrow().dtype()).isEqualTo(DType.F32);
        assertThat(checkpoint.weight("w").orElseThrow().dtype()).isEqualTo(DType.F16);
        assertThat(checkpoint.parameters().get("w").dtype()).isEqualTo(DType.F16);
        try (Optimizer other = builder(tensor(DType.F16, 1), "adamw()")
                        .rounding(Rounding.STOCHASTIC)
                        .seed(1)
                        .build();
                Optimizer nearest = builder(tensor(DType.F16, 1), "adamw()").build()) {
            assertThatThrownBy(() -> other.load(file))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("stochastic rounding, seed -9223372036854775808, and this optimizer has"
                            + " stochastic rounding, seed 1");
            assertThatThrownBy(() -> nearest.load(file))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining("and this optimizer has rounding to nearest");
        }
    }

    @Test
    void theSeedDecidesWhatIsDrawn() {
        assertThat(drawn(1)).isEqualTo(drawn(1)).isNotEqualTo(drawn(2));
    }

    private float[] drawn(long seed) {
        Tensor weight = tensor(DType.BF16, 1);
        try (Optimizer optimizer = builder(weight, "sgd(lr=0.001)")
                .rounding(Rounding.STOCHASTIC)
                .seed(seed)
                .build()) {
            optimizer.bindGradient(0, tensor(DType.F32, 1));
            optimizer.step();
            return weight.toFloats();
        }
    }
}
