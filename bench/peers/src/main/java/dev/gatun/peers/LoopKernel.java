package dev.gatun.peers;

/** A loop over arrays, which C2 vectorises. */
final class LoopKernel implements AdamW.Kernel {
    @Override
    public void update(float[] w, float[] g, float[] m, float[] v, int from, int to, AdamW now) {
        float fresh1 = now.fresh1();
        float fresh2 = now.fresh2();
        float rate = now.rate();
        float root = now.root();
        float eps = now.eps();
        float keep = now.keep();
        for (int i = from; i < to; i++) {
            float gradient = g[i];
            float m1 = m[i] + fresh1 * (gradient - m[i]);
            float v1 = v[i] + fresh2 * (gradient * gradient - v[i]);
            m[i] = m1;
            v[i] = v1;
            w[i] = w[i] * keep - rate * (m1 / ((float) Math.sqrt(v1) * root + eps));
        }
    }
}
