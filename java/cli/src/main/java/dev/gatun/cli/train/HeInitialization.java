package dev.gatun.cli.train;

import dev.gatun.Tensor;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Starting weights by a seed, from Java's generator and so the same for every framework version: uniform with variance
 * 2 / inputs before a ReLU (He et al. 2015, arXiv 1502.01852), embeddings uniform in [-1, 1), biases 0.
 *
 * <p>The last layer has no ReLU behind it and starts smaller, bound sqrt(1 / inputs): a first loss near log2(classes).
 */
final class HeInitialization {
    private HeInitialization() {}

    /**
     * Fills F32 weights in layer order: for each layer a matrix (outputs, inputs) or filters (outputs, channels, height,
     * width), and a bias.
     */
    static void fill(Map<String, Tensor> weights, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        int last = weights.size() - 2;
        int i = 0;
        for (Map.Entry<String, Tensor> entry : weights.entrySet()) {
            Tensor weight = entry.getValue();
            double bound;
            if (weight.dimensions() < 2) {
                bound = 0;
            } else if (entry.getKey().endsWith("_" + CharEmbedding.TABLE)) {
                bound = 1;
            } else {
                double inputs = (double) weight.length() / weight.rows();
                bound = Math.sqrt((i == last ? 1 : 6) / inputs);
            }
            for (long k = 0; k < weight.length(); k++) {
                float value = bound == 0 ? 0 : (float) ((2 * random.nextDouble() - 1) * bound);
                weight.memory().setAtIndex(ValueLayout.JAVA_FLOAT, k, value);
            }
            i++;
        }
    }
}
