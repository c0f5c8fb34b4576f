package dev.gatun.peers;

import java.util.List;
import java.util.SplittableRandom;

/**
 * Tensors to step, with the same values for every peer.
 *
 * @param shapes one per tensor, dimension 0 first
 * @param threads that a step may use
 */
record Problem(List<long[]> shapes, int threads) {
    int tensors() {
        return shapes.size();
    }

    int elements(int tensor) {
        long elements = 1;
        for (long size : shapes.get(tensor)) {
            elements = Math.multiplyExact(elements, size);
        }
        return Math.toIntExact(elements);
    }

    long parameters() {
        long parameters = 0;
        for (int i = 0; i < tensors(); i++) {
            parameters += elements(i);
        }
        return parameters;
    }

    float[] weight(int tensor) {
        return values(2L * tensor, elements(tensor), 0.05);
    }

    /** Large beside the 1e-8 that DJL and ND4J add before, and others after, the second moment's correction. */
    float[] gradient(int tensor) {
        return values(2L * tensor + 1, elements(tensor), 0.1);
    }

    private static float[] values(long seed, int count, double size) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextDouble(-size, size);
        }
        return values;
    }
}
