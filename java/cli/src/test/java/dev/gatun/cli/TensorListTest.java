package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TensorListTest {
    /** Tensors and parameters of the two networks are published numbers. */
    @ParameterizedTest
    @CsvSource({
        "resnet50, 161, 25557032",
        "gpt2, 148, 124439808",
        "50m, 1, 50000000",
        "1m, 1, 1000000",
        "100k, 1, 100000",
        "7k, 1, 7000",
        "5000x1000, 5000, 5000000",
        "10000x64, 10000, 640000",
        "' ResNet50 ', 161, 25557032"
    })
    void sizes(String name, int tensors, long parameters) {
        TensorList list = TensorList.parse(name);
        assertThat(list.shapes()).hasSize(tensors);
        assertThat(list.parameters()).isEqualTo(parameters);
    }

    @Test
    void resnet50HasItsShapes() {
        var shapes = TensorList.parse("resnet50").shapes();
        assertThat(shapes.get(0)).containsExactly(64, 3, 7, 7);
        assertThat(shapes.get(3)).containsExactly(64, 64, 1, 1);
        assertThat(shapes.get(9)).containsExactly(256, 64, 1, 1);
        assertThat(shapes.get(12)).containsExactly(256, 64, 1, 1); // the first shortcut
        assertThat(shapes.get(159)).containsExactly(1000, 2048);
        assertThat(shapes).filteredOn(shape -> shape.length == 4).hasSize(53);
    }

    @Test
    void gpt2HasItsShapes() {
        var shapes = TensorList.parse("gpt2").shapes();
        assertThat(shapes.get(0)).containsExactly(50257, 768);
        assertThat(shapes.get(4)).containsExactly(768, 2304);
        assertThat(shapes).filteredOn(shape -> shape.length == 2).hasSize(2 + 12 * 4);
    }

    @Test
    void aSingleTensorIsAMatrix() {
        assertThat(TensorList.parse("50m").shapes().getFirst()).containsExactly(6250, 8000);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "resnet51", "0m", "0x5", "5x0", "-1m", "1.5m", "m", "99999999999m", "999999999x999999999999"
            })
    void whatIsNoListIsRefused(String name) {
        assertThatThrownBy(() -> TensorList.parse(name))
                .isInstanceOf(BadInput.class)
                .hasMessageContaining("resnet50");
    }
}
