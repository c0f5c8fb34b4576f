package dev.gatun.jmh;

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
