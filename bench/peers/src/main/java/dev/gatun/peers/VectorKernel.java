package dev.gatun.peers;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** The same with the Vector API, in the widest registers that the JVM prefers here. */
final class VectorKernel implements AdamW.Kernel {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final LoopKernel REST = new LoopKernel();

    @Override
    public void update(float[] w, float[] g, float[] m, float[] v, int from, int to, AdamW now) {
        FloatVector fresh1 = FloatVector.broadcast(SPECIES, now.fresh1());
        FloatVector fresh2 = FloatVector.broadcast(SPECIES, now.fresh2());
        FloatVector rate = FloatVector.broadcast(SPECIES, -now.rate());
        FloatVector root = FloatVector.broadcast(SPECIES, now.root());
        FloatVector eps = FloatVector.broadcast(SPECIES, now.eps());
        int i = from;
        for (; i <= to - SPECIES.length(); i += SPECIES.length()) {
            FloatVector gradient = FloatVector.fromArray(SPECIES, g, i);
            FloatVector m0 = FloatVector.fromArray(SPECIES, m, i);
            FloatVector v0 = FloatVector.fromArray(SPECIES, v, i);
            FloatVector m1 = fresh1.fma(gradient.sub(m0), m0);
            FloatVector v1 = fresh2.fma(gradient.mul(gradient).sub(v0), v0);
            m1.intoArray(m, i);
            v1.intoArray(v, i);
            FloatVector kept = FloatVector.fromArray(SPECIES, w, i).mul(now.keep());
            rate.fma(m1.div(v1.sqrt().fma(root, eps)), kept).intoArray(w, i);
        }
        REST.update(w, g, m, v, i, to, now);
    }
}
