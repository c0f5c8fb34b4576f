package dev.gatun.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.convolutional.Convolution;
import ai.djl.nn.core.Linear;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import java.util.IdentityHashMap;
import java.util.Map;

/**
 * A {@link SequentialBlock} that keeps what its dense and convolutional layers were fed with in the last training pass, for
 * rules that look at it ({@code nsgd}, {@code insgd}); a {@link GatunStep} finds it in the block it is built from. Its
 * children have the paths that they have in a {@code SequentialBlock}. Other rules cost nothing: it keeps inputs only
 * where a step asks for them.
 *
 * <p>What is kept shares the layer's memory, which so lives until the next training pass. Layers inside another block
 * than this one have no input: their weights take steps of plain gradient descent.
 */
public final class FedBlock extends SequentialBlock {
    private final Map<Parameter, NDArray> inputs = new IdentityHashMap<>();
    private boolean keeping;
    private int passes;

    @Override
    protected NDList forwardInternal(
            ParameterStore parameters, NDList inputs, boolean training, PairList<String, Object> options) {
        boolean keep = keeping && training;
        if (keep) {
            forget();
            passes++;
        }
        NDList current = inputs;
        for (Block layer : getChildren().values()) {
            if (keep && isFed(layer)) {
                // A handle of its own: the pass's arrays are closed with their manager before a step is taken.
                NDArray input = current.singletonOrThrow().stopGradient();
                input.detach();
                this.inputs.put(layer.getDirectParameters().get("weight"), input);
            }
            current = layer.forward(parameters, current, training);
        }
        return current;
    }

    static boolean isFed(Block layer) {
        return layer instanceof Linear || layer instanceof Convolution;
    }

    /** Keeps inputs from the next training pass on. */
    void keep() {
        keeping = true;
    }

    /** What the layer of a weight was fed with; null before the first training pass, and for other parameters. */
    NDArray input(Parameter weight) {
        return inputs.get(weight);
    }

    /** Training passes since the last step. */
    int passes() {
        return passes;
    }

    /** A step was taken: another pass belongs to the next one. */
    void taken() {
        passes = 0;
    }

    /** Lets go of the memory. */
    void forget() {
        inputs.values().forEach(NDArray::close);
        inputs.clear();
    }
}
