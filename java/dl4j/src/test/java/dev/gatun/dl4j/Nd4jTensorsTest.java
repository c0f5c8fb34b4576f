package dev.gatun.dl4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.DType;
import dev.gatun.Tensor;
import org.junit.jupiter.api.Test;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.indexing.NDArrayIndex;

/** That a view is no copy, in which order it reads, and that what cannot be viewed is refused. */
class Nd4jTensorsTest {
    @Test
    void sameAddressAndWritesAreSeenBothWays() {
        INDArray array = Nd4j.createFromArray(1f, 2f, 3f, 4f);
        Tensor view = Nd4jTensors.of(array);
        assertThat(view.memory().address()).isEqualTo(array.data().address());
        assertThat(view.dtype()).isEqualTo(DType.F32);
        view.set(2, 42);
        assertThat(array.toFloatVector()).containsExactly(1, 2, 42, 4);
        array.muli(2);
        assertThat(view.toFloats()).containsExactly(2, 4, 84, 8);
        assertThat(Nd4jTensors.of(Nd4j.createFromArray(1.0, 2.0)).dtype()).isEqualTo(DType.F64);
    }

    @Test
    void aPartIsViewedWhereItIs() {
        INDArray array = Nd4j.createFromArray(1f, 2f, 3f, 4f, 5f);
        Tensor view = Nd4jTensors.of(array.get(NDArrayIndex.interval(2, 4)));
        assertThat(view.memory().address()).isEqualTo(array.data().address() + 8);
        assertThat(view.toFloats()).containsExactly(3, 4);
        view.set(0, 30);
        assertThat(array.toFloatVector()).containsExactly(1, 2, 30, 4, 5);
    }

    @Test
    void columnMajorMatricesHaveARowForEachColumn() {
        INDArray weights = Nd4j.create(DataType.FLOAT, new long[] {2, 3}, 'f');
        for (int in = 0; in < 2; in++) {
            for (int out = 0; out < 3; out++) {
                weights.putScalar(in, out, 10 * out + in);
            }
        }
        Tensor view = Nd4jTensors.of(weights);
        assertThat(view.shape()).containsExactly(3, 2);
        assertThat(view.toFloats()).containsExactly(0, 1, 10, 11, 20, 21);
    }

    @Test
    void rowMajorArraysKeepTheirShape() {
        INDArray array = Nd4j.createFromArray(new float[][] {{1, 2, 3}, {4, 5, 6}});
        assertThat(Nd4jTensors.of(array).shape()).containsExactly(2, 3);
        assertThat(Nd4jTensors.of(array).toFloats()).containsExactly(1, 2, 3, 4, 5, 6);
        assertThat(Nd4jTensors.of(Nd4j.create(DataType.FLOAT, new long[] {4, 2, 3, 3}, 'c'))
                        .shape())
                .containsExactly(4, 2, 3, 3);
    }

    /** One input or one output: both orders are the same memory, and DL4J means 'f'. */
    @Test
    void matricesOfOneRowOrColumnAreWeights() {
        assertThat(Nd4jTensors.of(Nd4j.create(DataType.FLOAT, new long[] {1, 5}, 'f'))
                        .shape())
                .containsExactly(5, 1);
        assertThat(Nd4jTensors.of(Nd4j.create(DataType.FLOAT, new long[] {5, 1}, 'f'))
                        .shape())
                .containsExactly(1, 5);
    }

    @Test
    void otherLayoutsAndTypes() {
        INDArray array = Nd4j.createFromArray(new float[][] {{1, 2, 3}, {4, 5, 6}});
        assertThatThrownBy(() -> Nd4jTensors.of(array.getColumn(1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("shape [2] and strides [3]")
                .hasMessageContaining("dup('c')");
        assertThatThrownBy(() -> Nd4jTensors.of(Nd4j.create(DataType.FLOAT, new long[] {2, 3, 4}, 'f')))
                .hasMessageContaining("[2, 3, 4]");
        assertThatThrownBy(() -> Nd4jTensors.of(Nd4j.zeros(DataType.INT32, 3)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("has type INT; FLOAT and DOUBLE are possible");
        assertThatThrownBy(() -> Nd4jTensors.of(null)).hasMessageContaining("is null");
    }
}
