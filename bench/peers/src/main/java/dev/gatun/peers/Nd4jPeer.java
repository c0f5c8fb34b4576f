package dev.gatun.peers;

import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.indexing.NDArrayIndex;
import org.nd4j.linalg.learning.AdaBeliefUpdater;
import org.nd4j.linalg.learning.AdamUpdater;
import org.nd4j.linalg.learning.GradientUpdater;
import org.nd4j.linalg.learning.config.AdaBelief;
import org.nd4j.linalg.learning.config.Adam;

/**
 * ND4J's updaters as Deeplearning4j runs them on a network whose layers share one: on all parameters as one row. The
 * updater turns the gradient into the step, which is then taken off the parameters.
 */
final class Nd4jPeer implements Peer {
    private final Problem problem;
    private final INDArray parameters;
    private final INDArray gradient;
    private final INDArray gradients;
    private final GradientUpdater<?> updater;
    private int steps;

    private Nd4jPeer(Problem problem, GradientUpdater<?> updater) {
        this.problem = problem;
        long count = problem.parameters();
        parameters = Nd4j.create(DataType.FLOAT, 1, count);
        gradients = Nd4j.create(DataType.FLOAT, 1, count);
        long at = 0;
        for (int i = 0; i < problem.tensors(); i++) {
            long end = at + problem.elements(i);
            part(parameters, at, end).assign(Nd4j.createFromArray(problem.weight(i)));
            part(gradients, at, end).assign(Nd4j.createFromArray(problem.gradient(i)));
            at = end;
        }
        gradient = gradients.dup();
        this.updater = updater;
        // Not through instantiate(), which in 1.0.0-M2.1 looks for a dimension that AdaBelief's array does not have.
        updater.setStateViewArray(Nd4j.create(DataType.FLOAT, 1, 2 * count), new long[] {1, count}, 'c', true);
    }

    static Nd4jPeer adam(Problem problem) {
        return new Nd4jPeer(problem, new AdamUpdater(new Adam(AdamW.LR)));
    }

    static Nd4jPeer adaBelief(Problem problem) {
        return new Nd4jPeer(problem, new AdaBeliefUpdater(new AdaBelief(AdamW.LR)));
    }

    private static INDArray part(INDArray row, long from, long to) {
        return row.get(NDArrayIndex.point(0), NDArrayIndex.interval(from, to));
    }

    @Override
    public void gradients() {
        gradient.assign(gradients);
    }

    @Override
    public void step() {
        updater.applyUpdater(gradient, steps++, 0);
        parameters.subi(gradient);
    }

    @Override
    public float[] weight(int tensor) {
        long from = 0;
        for (int i = 0; i < tensor; i++) {
            from += problem.elements(i);
        }
        return part(parameters, from, from + problem.elements(tensor)).toFloatVector();
    }

    @Override
    public void close() {
        // The garbage collector has it.
    }
}
