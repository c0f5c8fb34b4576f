package dev.gatun.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.nn.Block;
import dev.gatun.Optimizer;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/** Which block keeps the input of which weight, for an optimizer that looks at inputs. */
final class LayerInputs {
    /** One weight. */
    private record Fed(int index, ai.djl.nn.Parameter weight, FedBlock block) {}

    private final Optimizer optimizer;
    private final Arena arena;
    private final List<Fed> weights = new ArrayList<>();

    LayerInputs(Block root, List<BlockParameters.Entry> trained, Optimizer optimizer, Arena arena) {
        this.optimizer = optimizer;
        this.arena = arena;
        Map<ai.djl.nn.Parameter, FedBlock> blocks = new IdentityHashMap<>();
        find(root, blocks);
        for (int i = 0; i < trained.size(); i++) {
            FedBlock block = blocks.get(trained.get(i).parameter());
            if (block != null && optimizer.takesInput(i)) {
                weights.add(new Fed(i, trained.get(i).parameter(), block));
                block.keep();
            }
        }
    }

    private static void find(Block block, Map<ai.djl.nn.Parameter, FedBlock> blocks) {
        for (Block child : block.getChildren().values()) {
            if (block instanceof FedBlock fed && FedBlock.isFed(child)) {
                blocks.put(child.getDirectParameters().get("weight"), fed);
            }
            find(child, blocks);
        }
    }

    /**
     * How many groups a weight's convolution has: channels of what it is fed with over those of a filter; 1 for all else.
     */
    static int groups(Block root, ai.djl.nn.Parameter weight) {
        for (Block child : root.getChildren().values()) {
            if (FedBlock.isFed(child)
                    && child.getDirectParameters().get("weight") == weight
                    && weight.getShape().dimension() > 2) {
                long channels = child.describeInput().get(0).getValue().get(1);
                return Math.toIntExact(channels / weight.getShape().get(1));
            }
            int inside = groups(child, weight);
            if (inside > 1) {
                return inside;
            }
        }
        return 1;
    }

    /**
     * Shows the optimizer what the last training pass fed its weights with.
     *
     * @throws IllegalStateException if the gradients are of several passes: a step would see only the last one's input
     */
    void bind() {
        for (Fed fed : weights) {
            NDArray input = fed.block.input(fed.weight);
            if (fed.block.passes() > 1) {
                throw new IllegalStateException(
                        "the gradients are of " + fed.block.passes() + " training passes, but this"
                                + " rule looks at the input of one: take a step after each pass");
            }
            if (input != null) {
                optimizer.bindInput(fed.index, DjlTensors.of(input, arena));
            }
        }
    }

    /** After a step. */
    void taken() {
        weights.forEach(fed -> fed.block.taken());
    }

    void close() {
        weights.forEach(fed -> fed.block.forget());
    }
}
