package dev.gatun;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** The layer inputs that are bound, for rules that look at them, and the checks that they may be read. */
final class Inputs {
    private final List<Parameter> parameters;
    private final OptimizerState state;
    private final Device.Kind location;
    /** Weights and state, which a step writes. */
    private final Regions fixed;

    private final Tensor[] bound;
    /** Whether any rule looks at inputs: without, a step does nothing here for any number of parameters. */
    private final boolean any;

    /** Whether a parameter has taken a step with an input. */
    private final boolean[] fed;

    Inputs(List<Parameter> parameters, OptimizerState state, Device.Kind location, Regions fixed) {
        this.parameters = parameters;
        this.state = state;
        this.location = location;
        this.fixed = fixed;
        this.bound = new Tensor[parameters.size()];
        this.fed = new boolean[parameters.size()];
        this.any = IntStream.range(0, fed.length).anyMatch(i -> state.powers(i) > 0);
    }

    /** Takes the input of a parameter's layer; answers how the backend has it. Changes nothing if it is refused. */
    Backend.Input bind(int index, Tensor input) {
        String name = "the input of '" + parameters.get(index).name() + "'";
        requireUsable(index, input, name);
        if (input.dtype().isHalf()) {
            throw new IllegalArgumentException(name + " must be F32 or F64, and is " + input
                    + ": widen it, or bind its power with bindInputPower");
        }
        Backend.Input described = describe(index, input, name);
        if (described.samples() == 0) {
            throw new IllegalArgumentException(name + " has no samples: " + input);
        }
        bound[index] = input;
        return described;
    }

    /** Takes the power of a batch in place of the batch. */
    Backend.Input bindPower(int index, Tensor power) {
        String name = "the input power of '" + parameters.get(index).name() + "'";
        requireUsable(index, power, name);
        long powers = state.powers(index);
        if (power.dtype() != DType.F64 || power.length() != powers) {
            throw new IllegalArgumentException(name + " must be F64 with " + powers + " elements, and is " + power);
        }
        bound[index] = power;
        return new Backend.Input(power.memory(), DType.F64, 1, powers, 1, true);
    }

    void unbind(int index) {
        bound[index] = null;
    }

    private void requireUsable(int index, Tensor tensor, String name) {
        Parameter parameter = parameters.get(index);
        if (state.powers(index) == 0) {
            throw new IllegalArgumentException("'" + parameter.name() + "' takes no input: only weights of two or more"
                    + " dimensions do, in a group whose rule is nsgd or insgd");
        }
        Gradients.requireUsable(tensor, location, false, name);
        fixed.requireFree(tensor.memory(), name);
    }

    /** The input as samples, channels and what a channel has of every sample. */
    private Backend.Input describe(int index, Tensor input, String name) {
        Parameter parameter = parameters.get(index);
        long[] weight = parameter.weight().shape();
        long[] shape = input.shape();
        MemorySegment memory = input.memory();
        if (weight.length == 2) {
            if (shape.length < 2 || shape[shape.length - 1] != weight[1]) {
                throw new IllegalArgumentException(name + " must have shape (samples, " + weight[1] + ") or (..., "
                        + weight[1] + "), and has " + Arrays.toString(shape));
            }
            return new Backend.Input(memory, input.dtype(), product(shape, 0, shape.length - 1), 1, weight[1], false);
        }
        long channels = weight[1] * parameter.groups();
        if (shape.length != weight.length || shape[1] != channels) {
            String rest = ", size".repeat(weight.length - 2);
            throw new IllegalArgumentException(name + " must have shape (samples, " + channels + rest + "), and has "
                    + Arrays.toString(shape)
                    + (parameter.groups() == 1 ? ": a grouped convolution's parameter needs withGroups" : ""));
        }
        long area = product(shape, 2, shape.length);
        return state.powers(index) == 1
                ? new Backend.Input(memory, input.dtype(), shape[0], 1, channels * area, false)
                : new Backend.Input(memory, input.dtype(), shape[0], channels, area, false);
    }

    private static long product(long[] sizes, int from, int to) {
        return Arrays.stream(sizes, from, to).reduce(1, (a, b) -> a * b);
    }

    /**
     * Checks that every parameter that takes a step has an input if it had one before, and that the memory of all is
     * still there; allocates nothing.
     *
     * @throws IllegalStateException naming the parameter
     */
    void requireForStep(Gradients gradients) {
        for (int i = 0; any && i < bound.length; i++) {
            if (bound[i] != null) {
                if (!bound[i].memory().scope().isAlive()) {
                    throw new IllegalStateException("the memory of the input of '"
                            + parameters.get(i).name()
                            + "' is closed: bind it again where it is now, or keep its arena open as long as it is"
                            + " bound");
                }
            } else if (fed[i] && gradients.has(i)) {
                throw new IllegalStateException("'" + parameters.get(i).name()
                        + "' has a gradient and no input, and had one before: bind the batch that the gradient comes"
                        + " from with bindInput, or its power with bindInputPower");
            }
        }
    }

    /** After a step. */
    void count(Gradients gradients) {
        for (int i = 0; any && i < bound.length; i++) {
            fed[i] |= bound[i] != null && gradients.has(i);
        }
    }

    /** After the state has become another. */
    void reload() {
        for (int i = 0; i < fed.length; i++) {
            fed[i] = state.hasPower(i);
        }
    }
}
