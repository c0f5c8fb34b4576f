package dev.gatun.peers;

import ai.djl.ndarray.NDArray;

/** Aida (2203.13273): AdaBelief after two projections of gradient and moment onto each other. */
final class AidaPeer extends OpsPeer {
    private static final double XI = 1e-20;

    AidaPeer(Problem problem) {
        super(problem);
    }

    @Override
    double lr() {
        return AdamW.LR;
    }

    @Override
    void update(Tensor tensor, double rate, double root) {
        tensor.m().muli(AdamW.BETA1).addi(tensor.g().mul(1 - AdamW.BETA1));
        NDArray a = tensor.g();
        NDArray c = tensor.m();
        for (int k = 0; k < 2; k++) {
            NDArray both = a.mul(c).sum();
            NDArray nextA = a.mul(both.div(a.square().sum().add(XI)));
            c = c.mul(both.div(c.square().sum().add(XI)));
            a = nextA;
        }
        NDArray difference = c.sub(a);
        tensor.v()
                .muli(AdamW.BETA2)
                .addi(difference.square().muli(1 - AdamW.BETA2))
                .addi(AdamW.EPS);
        tensor.w().subi(tensor.m().div(tensor.v().sqrt().divi(root)).muli(rate));
    }
}
