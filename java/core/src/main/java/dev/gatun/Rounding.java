package dev.gatun;

import dev.gatun.bindings.GatunC;

/** How an F32 master becomes a {@link DType#BF16} or {@link DType#F16} weight. */
public enum Rounding {
    /** To the nearest value, in the middle to the even one. */
    NEAREST(GatunC.GATUN_NEAREST()),
    /**
     * To one of the two neighbours by chance, the nearer the likelier, so that the weight's mean is the master. The draws
     * are a function of seed, parameter, step and element: the same on every machine and any number of threads, and
     * after a checkpoint as without.
     */
    STOCHASTIC(GatunC.GATUN_STOCHASTIC());

    private final int number;

    Rounding(int number) {
        this.number = number;
    }

    /** Its number in the C ABI. */
    int number() {
        return number;
    }
}
