package dev.gatun.libtorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.gatun.Checkpoint;
import dev.gatun.Device;
import dev.gatun.LossScaling;
import dev.gatun.Parameter;
import dev.gatun.Rule;
import dev.gatun.Schedule;
import java.nio.file.Path;
import org.bytedeco.pytorch.AdamW;
import org.bytedeco.pytorch.AdamWOptions;
import org.bytedeco.pytorch.LinearImpl;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GatunStepTest {
    @TempDir
    private Path folder;

    private final Device device = Device.cpu(1);
    private final Net net = new Net();

    @AfterEach
    void close() {
        device.close();
    }

    private GatunStep.Builder step(Module module, String rule) {
        return GatunStep.builder(module, device, Rule.parse(rule));
    }

    @Test
    void trainsAsTorchsAdamW() {
        Net theirs = new Net();
        AdamWOptions options = new AdamWOptions(0.01);
        options.weight_decay().put(0.1);
        AdamW adamw = new AdamW(theirs.parameters(), options);
        float before = 0;
        float after = 0;
        try (GatunStep step = step(net, "adamw(lr=0.01, weight_decay=0.1)").build()) {
            for (int i = 0; i < 200; i++) {
                adamw.zero_grad();
                float expected = theirs.backward(i);
                after = net.backward(i);
                before = i == 0 ? after : before;
                assertThat(after).as("loss at step %d", i).isCloseTo(expected, within(1e-5f * Math.max(1, expected)));
                adamw.step();
                step.step();
            }
        }
        assertThat(after).isLessThan(before / 20);
        float[] expected = theirs.weights();
        assertThat(net.weights()).hasSize(expected.length).containsExactly(expected, within(2e-5f));
    }

    @Test
    void weightsAndGradientsStayWhereTheyAreAndGradientsAreZeroed() {
        try (GatunStep step = step(net, "sgd(lr=0.1)").build()) {
            net.backward(1);
            Tensor weight = net.first.weight();
            long address = weight.data_ptr_float().address();
            long gradient = weight.grad().data_ptr_float().address();
            float was = weight.select(0, 0).select(0, 0).item_float();
            float slope = weight.grad().select(0, 0).select(0, 0).item_float();
            step.step();
            assertThat(weight.data_ptr_float().address()).isEqualTo(address);
            assertThat(weight.grad().data_ptr_float().address()).isEqualTo(gradient);
            assertThat(weight.select(0, 0).select(0, 0).item_float()).isEqualTo(Math.fma(-0.1f, slope, was));
            assertThat(TorchTensors.of(weight.grad()).toFloats()).containsOnly(0);
            assertThat(step.optimizer().parameters().get(0).weight().memory().address())
                    .isEqualTo(address);
        }
    }

    @Test
    void gradientsThatMoveAreFollowed() {
        Net same = new Net();
        try (GatunStep moving = step(net, "adam(lr=0.01)").build();
                GatunStep staying = step(same, "adam(lr=0.01)").build()) {
            for (int i = 0; i < 5; i++) {
                net.zero_grad(true); // gradients are undefined after it, and somewhere else after the next pass
                net.backward(i);
                same.backward(i);
                moving.step();
                staying.step();
            }
        }
        assertThat(net.weights()).containsExactly(same.weights());
    }

    @Test
    void namesAreThePathsAndVectorsCanBeExempt() {
        try (GatunStep step = step(net, "adamw(lr=0.01)").decayVectors(false).build()) {
            assertThat(step.optimizer().parameters())
                    .extracting(Parameter::name)
                    .containsExactly("first.weight", "first.bias", "second.weight", "second.bias");
            assertThat(step.optimizer().parameters())
                    .extracting(Parameter::decay)
                    .containsExactly(true, false, true, false);
            net.backward(0);
            step.step();
            assertThat(step.steps()).isEqualTo(1);
        }
        try (GatunStep step = step(net, "adamw(lr=0.01)").build()) {
            assertThat(step.optimizer().parameters())
                    .extracting(Parameter::decay)
                    .containsOnly(true);
        }
    }

    @Test
    void aLossScaleIsDividedOut() {
        Net scaled = new Net();
        try (GatunStep plain = step(net, "sgd(lr=0.1)").build();
                GatunStep step = step(scaled, "sgd(lr=0.1)")
                        .lossScaling(LossScaling.dynamic())
                        .build()) {
            assertThat(plain.lossScale()).isEqualTo(1);
            assertThat(step.lossScale()).isEqualTo(65536);
            net.backward(0);
            scaled.backward(0, step.lossScale());
            plain.step();
            step.step();
        }
        assertThat(scaled.weights()).isEqualTo(net.weights());
    }

    /** Two paths to one tensor. */
    private static final class Tied extends Module {
        private Tied() {
            LinearImpl layer = new LinearImpl(2, 2);
            register_module("one", layer);
            register_module("two", layer);
        }
    }

    @Test
    void aSharedParameterIsOne() {
        try (GatunStep step = step(new Tied(), "sgd(lr=0.1)").build()) {
            assertThat(step.optimizer().parameters())
                    .extracting(Parameter::name)
                    .containsExactly("one.weight", "one.bias");
        }
    }

    @Test
    void goesOnFromACheckpointBitForBit() throws Exception {
        Net other = new Net();
        try (GatunStep step =
                step(net, "sing(lr=0.01)").schedule(Schedule.warmup(8)).build()) {
            for (int i = 0; i < 5; i++) {
                net.backward(i);
                step.step();
            }
            step.save(folder.resolve("run.safetensors"));
            for (int i = 5; i < 10; i++) {
                net.backward(i);
                step.step();
            }
        }
        assertThat(Checkpoint.read(folder.resolve("run.safetensors")).steps()).isEqualTo(5);
        try (GatunStep step =
                step(other, "sing(lr=0.01)").schedule(Schedule.warmup(8)).build()) {
            step.load(folder.resolve("run.safetensors"));
            for (int i = 5; i < 10; i++) {
                other.backward(i);
                step.step();
            }
            assertThat(step.steps()).isEqualTo(10);
        }
        assertThat(other.weights()).containsExactly(net.weights());
    }

    @Test
    void whatRequiresNoGradientStays() {
        net.first.weight().set_requires_grad(false);
        float[] frozen = TorchTensors.of(net.first.weight()).toFloats();
        try (GatunStep step = step(net, "adamw(lr=0.01)").build()) {
            net.backward(1);
            step.step();
            assertThat(TorchTensors.of(net.first.weight()).toFloats()).containsExactly(frozen);
            float[] bias = TorchTensors.of(net.first.bias()).toFloats();
            net.first.bias().set_requires_grad(false);
            net.backward(2);
            step.step();
            assertThat(TorchTensors.of(net.first.bias()).toFloats()).containsExactly(bias);

            net.first.weight().set_requires_grad(true);
            net.backward(3);
            assertThatThrownBy(step::step)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("first.weight")
                    .hasMessageContaining("build a new GatunStep");
        }
    }

    @Test
    void aNanInAGradientChangesNothing() {
        float[] before = net.weights();
        try (GatunStep step = step(net, "adamw(lr=0.01)").build()) {
            net.backward(1);
            TorchTensors.of(net.second.weight().grad()).set(3, Double.NaN);
            step.step();
            assertThat(step.report().toString()).contains("second.weight");
            assertThat(net.weights()).containsExactly(before);
        }
    }

    @Test
    void misuse() {
        assertThatThrownBy(() -> step(new Module("empty"), "sgd(lr=0.1)").build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("no parameters");
        GatunStep step = step(net, "sgd(lr=0.1)").build();
        assertThatThrownBy(step::step)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("comes after a backward pass");
        net.backward(1);
        net.to(ScalarType.Double, false);
        assertThatThrownBy(step::step)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("first.weight was moved");
        step.close();
        step.close();
        assertThatThrownBy(step::step).isInstanceOf(IllegalStateException.class).hasMessageContaining("is closed");
    }
}
