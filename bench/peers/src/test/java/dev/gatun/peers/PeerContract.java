package dev.gatun.peers;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.DType;
import dev.gatun.Device;
import dev.gatun.Optimizer;
import dev.gatun.Parameter;
import dev.gatun.ParameterGroup;
import dev.gatun.Rule;
import dev.gatun.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;

/** A peer that did less than the rule it is compared with would win for nothing: both must reach the same weights. */
final class PeerContract {
    private static final int STEPS = 3;
    static final Problem PROBLEM =
            new Problem(List.of(new long[] {7, 9}, new long[] {13}, new long[] {3, 2, 3, 3}, new long[] {40, 50}), 2);

    private PeerContract() {}

    /** @param tolerance norm-wise, of the way that a tensor went */
    static void sameWeights(String name, String rule, double tolerance) {
        try (Peer peer = Peer.of(name, PROBLEM)) {
            for (int t = 0; t < STEPS; t++) {
                peer.gradients();
                peer.step();
            }
            float[][] expected = gatun(Rule.parse(rule));
            for (int i = 0; i < PROBLEM.tensors(); i++) {
                float[] start = PROBLEM.weight(i);
                float[] actual = peer.weight(i);
                assertThat(actual).hasSameSizeAs(start);
                double error = 0;
                double moved = 0;
                for (int j = 0; j < start.length; j++) {
                    error += Math.pow(actual[j] - expected[i][j], 2);
                    moved += Math.pow(expected[i][j] - start[j], 2);
                }
                assertThat(moved).as("how far tensor %d went", i).isPositive();
                assertThat(Math.sqrt(error / moved))
                        .as("%s, tensor %d", name, i)
                        .isLessThan(tolerance);
            }
        }
    }

    private static float[][] gatun(Rule rule) {
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cpu()) {
            List<Parameter> parameters = new ArrayList<>();
            List<Tensor> gradients = new ArrayList<>();
            for (int i = 0; i < PROBLEM.tensors(); i++) {
                long[] shape = PROBLEM.shapes().get(i);
                parameters.add(Parameter.of("tensor" + i, Tensor.of(arena, PROBLEM.weight(i), shape)));
                gradients.add(Tensor.of(arena, PROBLEM.gradient(i), shape));
            }
            try (Optimizer optimizer = Optimizer.of(device, ParameterGroup.of(rule, parameters))) {
                optimizer.bindGradients(gradients);
                for (int t = 0; t < STEPS; t++) {
                    optimizer.step();
                }
            }
            float[][] weights = new float[PROBLEM.tensors()][];
            for (int i = 0; i < weights.length; i++) {
                Tensor weight = parameters.get(i).weight();
                assertThat(weight.dtype()).isEqualTo(DType.F32);
                weights[i] = new float[PROBLEM.elements(i)];
                for (int j = 0; j < weights[i].length; j++) {
                    weights[i][j] = (float) weight.get(j);
                }
            }
            return weights;
        }
    }
}
