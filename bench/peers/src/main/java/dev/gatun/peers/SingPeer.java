package dev.gatun.peers;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;

/** SING (2305.15997) without softplus and look-ahead: centred rows, the tensor's norm, Adam. */
final class SingPeer extends OpsPeer {
    SingPeer(Problem problem) {
        super(problem);
    }

    @Override
    double lr() {
        return 5e-3;
    }

    @Override
    void update(Tensor tensor, double rate, double root) {
        NDArray h = tensor.g();
        Shape shape = h.getShape();
        if (shape.dimension() >= 2) {
            NDArray rows = h.reshape(shape.get(0), -1); // DJL takes means over one dimension only
            h = rows.sub(rows.mean(new int[] {1}, true)).reshape(shape);
        }
        h = h.div(h.norm().add(AdamW.EPS));
        tensor.m().muli(AdamW.BETA1).addi(h.mul(1 - AdamW.BETA1));
        tensor.v().muli(AdamW.BETA2).addi(h.square().muli(1 - AdamW.BETA2));
        NDArray denominator = tensor.v().sqrt().divi(root).addi(AdamW.EPS);
        tensor.w().subi(tensor.m().div(denominator).muli(rate));
    }
}
