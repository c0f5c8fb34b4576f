package dev.gatun;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * By how much a step moves each parameter. What is there already does it: a copy, gradient descent with a learning rate
 * of 1, which subtracts (weights: those before the step; gradients: those after it), and the sums of a gradient.
 */
final class UpdateNorms implements AutoCloseable {
    private final Device device;
    /** What moves: the weights, or where they have masters, these. */
    private final List<MemorySegment> moving = new ArrayList<>();

    private final List<MemorySegment> before = new ArrayList<>();
    private final StateMemory memory;
    private final OptimizerState places;
    private final NativePlan difference;
    private final NativePlan sums;
    private final double[] lr;

    UpdateNorms(Device device, List<Parameter> parameters, OptimizerState state) {
        this.device = device;
        List<AutoCloseable> made = new ArrayList<>();
        boolean complete = false;
        try {
            made.add(memory = new StateMemory(device));
            List<Parameter> copies = new ArrayList<>();
            for (int i = 0; i < parameters.size(); i++) {
                Tensor weight = parameters.get(i).weight();
                int master = state.slots(i).indexOf(OptimizerState.MASTER);
                moving.add((master < 0 ? weight : state.tensors(i).get(master)).memory());
                Tensor copy = memory.tensor(weight.dtype().arithmetic(), weight.shape());
                before.add(copy.memory());
                copies.add(Parameter.of(parameters.get(i).name(), copy).withoutDecay());
            }
            made.add(places = new OptimizerState(device, List.of(ParameterGroup.of(Sgd.of(1), copies))));
            made.add(difference = new NativePlan(device.context(), places.backendGroups()));
            made.add(sums = new NativePlan(device.context(), places.backendGroups()));
            for (int i = 0; i < copies.size(); i++) {
                DType dtype = copies.get(i).weight().dtype();
                difference.gradient(places.backendGroup(i), places.member(i), moving.get(i), dtype);
                sums.gradient(places.backendGroup(i), places.member(i), before.get(i), dtype);
            }
            complete = true;
        } finally {
            if (!complete) {
                made.reversed().forEach(UpdateNorms::close);
            }
        }
        lr = new double[places.backendGroups().size()];
        Arrays.fill(lr, 1);
    }

    private static void close(AutoCloseable made) {
        try {
            made.close();
        } catch (Exception e) {
            throw new GatunException("while giving back what was made before a failure", e);
        }
    }

    long bytes() {
        return memory.bytes() + places.bytes();
    }

    void beforeStep() {
        for (int i = 0; i < moving.size(); i++) {
            device.copy(before.get(i), moving.get(i));
        }
    }

    void afterStep() {
        difference.step(lr, 1, false, false);
        sums.reduce(lr);
    }

    /** One for each parameter; waits for the step. */
    double[] norms() {
        return places.byParameter(sums::gradientNorms);
    }

    @Override
    public void close() {
        try (memory;
                places;
                sums;
                difference) {
            // in the other order
        }
    }
}
