package dev.gatun.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.util.Pair;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;

/**
 * The parameters of a block with their paths, for example {@code 02Linear_weight}.
 *
 * <p>A path follows from the structure of the block and is the same in every run; {@link Parameter#getId()} is a random
 * number and is not, so it could not name anything in a checkpoint.
 *
 * @param trained parameters that want a gradient
 * @param frozen parameters that do not: frozen by the user, or running statistics
 */
record BlockParameters(List<Entry> trained, List<Entry> frozen) {
    /** A parameter, its path, and the array it had when it was looked at. */
    record Entry(String path, Parameter parameter, NDArray array) {}

    static BlockParameters of(Block block) {
        List<Entry> trained = new ArrayList<>();
        List<Entry> frozen = new ArrayList<>();
        // Two blocks may share one parameter (tied weights): it is one tensor, under its first path.
        Set<Parameter> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        for (Pair<String, Parameter> pair : block.getParameters()) {
            Parameter parameter = pair.getValue();
            if (!seen.add(parameter)) {
                continue;
            }
            if (!parameter.isInitialized()) {
                throw new IllegalStateException("parameter " + pair.getKey() + " has no array yet;"
                        + " call Trainer.initialize(shapes) or Block.initialize(...) first");
            }
            Entry entry = new Entry(pair.getKey(), parameter, parameter.getArray());
            (parameter.requiresGradient() ? trained : frozen).add(entry);
        }
        if (trained.isEmpty()) {
            throw new IllegalArgumentException("block: "
                    + (frozen.isEmpty()
                            ? "it has no parameters"
                            : "all of its " + frozen.size() + " parameters are frozen")
                    + ", so there is nothing to train");
        }
        return new BlockParameters(List.copyOf(trained), List.copyOf(frozen));
    }
}
