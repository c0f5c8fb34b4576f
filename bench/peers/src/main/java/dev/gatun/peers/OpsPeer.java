package dev.gatun.peers;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;

/** An optimizer that DJL does not have, as its users write one today: with array operations, in place where there is one. */
abstract class OpsPeer implements Peer {
    private final NDManager manager = NDManager.newBaseManager("PyTorch");
    private final List<Tensor> tensors = new ArrayList<>();
    private long steps;

    /** A tensor's arrays. */
    record Tensor(NDArray w, NDArray g, NDArray m, NDArray v) {}

    OpsPeer(Problem problem) {
        for (int i = 0; i < problem.tensors(); i++) {
            Shape shape = new Shape(problem.shapes().get(i));
            tensors.add(new Tensor(
                    manager.create(problem.weight(i), shape),
                    manager.create(problem.gradient(i), shape),
                    manager.zeros(shape),
                    manager.zeros(shape)));
        }
    }

    /** @param rate the learning rate over the first moment's correction; @param root of the second moment's correction */
    abstract void update(Tensor tensor, double rate, double root);

    @Override
    public void gradients() {
        // They are only read.
    }

    @Override
    public void step() {
        steps++;
        double root = Math.sqrt(1 - Math.pow(AdamW.BETA2, steps));
        double correction = 1 - Math.pow(AdamW.BETA1, steps);
        for (Tensor tensor : tensors) {
            try (NDScope temporaries = new NDScope()) {
                temporaries.suppressNotUsedWarning();
                update(tensor, lr() / correction, root);
            }
        }
    }

    abstract double lr();

    @Override
    public float[] weight(int tensor) {
        return tensors.get(tensor).w().toFloatArray();
    }

    @Override
    public void close() {
        manager.close();
    }
}
