package dev.gatun.peers;

/** AdamW's numbers, which are the defaults of Gatun's {@code adamw()} and PyTorch's, as of one step. */
record AdamW(float fresh1, float fresh2, float rate, float root, float eps, float keep) {
    static final float LR = 1e-3f;
    static final float BETA1 = 0.9f;
    static final float BETA2 = 0.999f;
    static final float EPS = 1e-8f;
    static final float WEIGHT_DECAY = 0.01f;

    static AdamW at(long step) {
        return new AdamW(
                1 - BETA1,
                1 - BETA2,
                (float) (LR / (1 - Math.pow(BETA1, step))),
                (float) (1 / Math.sqrt(1 - Math.pow(BETA2, step))),
                EPS,
                1 - LR * WEIGHT_DECAY);
    }

    /** Some elements of one tensor. */
    interface Kernel {
        void update(float[] w, float[] g, float[] m, float[] v, int from, int to, AdamW now);
    }
}
