package dev.gatun.djl;

import ai.djl.ndarray.NDArray;
import dev.gatun.Device;
import dev.gatun.Optimizer;
import dev.gatun.Parameter;
import dev.gatun.ParameterGroup;
import dev.gatun.Rule;
import dev.gatun.Tensor;
import java.util.ArrayList;
import java.util.List;

/** An optimizer of a single parameter, as DJL calls it: with another copy of the gradient every time. */
final class ParameterStep implements AutoCloseable {
    private final Rule rule;
    private final Optimizer optimizer;
    private double lr;

    ParameterStep(Device device, Rule rule, NDArray weight, boolean decayVectors) {
        this.rule = rule;
        ParameterGroup group = ParameterGroup.of(rule, List.of(parameter("parameter", weight, decayVectors)))
                .withSchedule((step, rate) -> lr);
        optimizer = Optimizer.builder(device).group(group).checkFinite(false).build();
    }

    static Parameter parameter(String name, NDArray weight, boolean decayVectors) {
        Parameter parameter = Parameter.of(name, DjlTensors.of(weight));
        return decayVectors || weight.getShape().dimension() >= 2 ? parameter : parameter.withoutDecay();
    }

    void step(NDArray weight, NDArray gradient, double lr, double gradientScale) {
        if (!DjlTensors.of(weight).equals(parameter().weight())) {
            throw new IllegalStateException("a parameter of shape " + weight.getShape() + " got another array after its"
                    + " first update; build a new GatunOptimizer");
        }
        this.lr = lr;
        optimizer.gradientScale(gradientScale);
        optimizer.bindGradient(0, DjlTensors.of(gradient));
        optimizer.step();
        optimizer.bindGradient(0, null); // DJL frees the copy
    }

    long taken() {
        return optimizer.stepsTaken(0);
    }

    Parameter parameter() {
        return optimizer.parameters().getFirst();
    }

    /** The same parameter under its path. */
    Parameter named(String path) {
        return new Parameter(
                path, parameter().weight(), parameter().decay(), parameter().groups());
    }

    /** As an optimizer adopts it. */
    List<Tensor> state() {
        return slots().stream().map(slot -> optimizer.state(0, slot)).toList();
    }

    /** The rule's, and for a weight of BF16 or F16 its master. */
    private List<String> slots() {
        List<String> slots = new ArrayList<>(rule.slots());
        if (parameter().weight().dtype().isHalf()) {
            slots.add("master");
        }
        return slots;
    }

    /** Takes over the state and count of a parameter of another optimizer. */
    void take(Optimizer from, int index) {
        for (String slot : slots()) {
            optimizer
                    .device()
                    .copy(
                            optimizer.state(0, slot).memory(),
                            from.state(index, slot).memory());
        }
        optimizer.device().synchronize();
        optimizer.resume(from.stepsTaken(index));
    }

    @Override
    public void close() {
        optimizer.close();
    }
}
