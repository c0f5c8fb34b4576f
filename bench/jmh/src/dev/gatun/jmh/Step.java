package dev.gatun.jmh;

import dev.gatun.DType;
import dev.gatun.Device;
import dev.gatun.Optimizer;
import dev.gatun.Parameter;
import dev.gatun.ParameterGroup;
import dev.gatun.Rule;
import dev.gatun.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** An optimizer over equal vectors with gradients, on one thread unless GATUN_THREADS says otherwise. */
final class Step implements AutoCloseable {
    private final Arena arena = Arena.ofShared();
    private final Device device = Device.cpu(1);
    final Optimizer optimizer;
    final List<Tensor> weights = new ArrayList<>();

    Step(String rule, DType dtype, int tensors, int length) {
        List<Parameter> parameters = new ArrayList<>();
        List<Tensor> gradients = new ArrayList<>();
        for (int i = 0; i < tensors; i++) {
            Tensor weight = Tensor.allocate(arena, dtype, length);
            Tensor gradient = Tensor.allocate(arena, dtype, length);
            for (int j = 0; j < length; j++) {
                weight.set(j, 0.01 * (j % 7 - 3));
                gradient.set(j, 1e-3 * (j % 11 - 5.5));
            }
            weights.add(weight);
            parameters.add(Parameter.of("tensor" + i, weight));
            gradients.add(gradient);
        }
        optimizer = Optimizer.of(device, ParameterGroup.of(Rule.parse(rule), parameters));
        optimizer.bindGradients(gradients);
        optimizer.step();
    }

    /** Of a loop with AdamW's traffic that computes nothing, the median of 21 rounds. */
    double bytesPerMicrosecond() {
        long length = weights.getFirst().length();
        List<MemorySegment> arrays = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            arrays.add(Tensor.allocate(arena, DType.F32, length).memory().fill((byte) 0));
        }
        double[] micros = new double[21];
        for (int round = 0; round < micros.length; round++) {
            long start = System.nanoTime();
            device.traffic(arrays, 3, length, DType.F32);
            micros[round] = (System.nanoTime() - start) / 1e3;
        }
        Arrays.sort(micros);
        return 7 * 4 * length / micros[micros.length / 2];
    }

    /** A time counts only if the work was done. */
    void check() {
        if (optimizer.report().skipped() || !Double.isFinite(weights.getFirst().get(0))) {
            throw new IllegalStateException("the last step was refused, or a weight is not finite");
        }
    }

    @Override
    public void close() {
        check();
        optimizer.close();
        device.close();
        arena.close();
    }
}
