package dev.gatun;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The gradients that are bound, and the proof that they, and the weights, may be touched: checked once when bound, and
 * for what can change afterwards, the life of their memory, at every step.
 */
final class Gradients {
    private final List<Parameter> parameters;
    private final Device.Kind location;
    private final boolean zeroed;
    /** Weights and state, which stay. */
    private final Regions fixed;

    private final List<Tensor> adopted;

    private Regions regions = new Regions();
    private final Tensor[] bound;

    /** Distinct scopes of all memory, with the name of something that lies there; made again when a scope changes. */
    private MemorySegment.Scope[] scopes;

    private String[] scopeNames;

    /**
     * @param fixed where weights and state are
     * @param adopted state in memory of the caller's
     */
    Gradients(List<Parameter> parameters, Device.Kind location, boolean zeroed, Regions fixed, List<Tensor> adopted) {
        this.parameters = parameters;
        this.location = location;
        this.zeroed = zeroed;
        this.fixed = fixed;
        this.adopted = adopted;
        this.bound = new Tensor[parameters.size()];
    }

    /** Whether this is where the parameter's gradient already is. */
    boolean isBound(int index, Tensor gradient) {
        Tensor before = bound[index];
        return before == gradient || (before != null && before.equals(gradient));
    }

    /** Whether the parameter has a gradient. */
    boolean has(int index) {
        return bound[index] != null;
    }

    /** The type of the gradient that is bound, or if there is none, of the weight. */
    DType dtype(int index) {
        return (bound[index] == null ? parameters.get(index).weight() : bound[index]).dtype();
    }

    /** Takes another gradient, or none; changes nothing if it is refused. */
    void bind(int index, Tensor gradient) {
        Tensor before = bound[index];
        if (before != null) {
            regions.remove(before.memory());
        }
        try {
            if (gradient != null) {
                check(index, gradient);
                regions.add(gradient.memory(), name(index));
            }
        } catch (RuntimeException e) {
            if (before != null) {
                regions.add(before.memory(), name(index));
            }
            throw e;
        }
        replace(index, gradient);
    }

    /** Takes all gradients; changes nothing if one is refused. */
    void bindAll(List<Tensor> gradients) {
        Regions all = new Regions();
        for (int i = 0; i < bound.length; i++) {
            Tensor gradient = gradients.get(i);
            if (gradient != null) {
                check(i, gradient);
                all.add(gradient.memory(), name(i));
            }
        }
        regions = all;
        for (int i = 0; i < bound.length; i++) {
            replace(i, gradients.get(i));
        }
    }

    private void replace(int index, Tensor gradient) {
        Tensor before = bound[index];
        bound[index] = gradient;
        boolean sameScope = before != null
                && gradient != null
                && before.memory().scope().equals(gradient.memory().scope());
        if (!sameScope && before != gradient) {
            scopes = null;
        }
    }

    private void check(int index, Tensor gradient) {
        Tensor weight = parameters.get(index).weight();
        String name = name(index);
        DType arithmetic = weight.dtype().arithmetic();
        if (gradient.dtype().arithmetic() != arithmetic) {
            throw new IllegalArgumentException(name + " is " + gradient.dtype() + ", and its weight is "
                    + weight.dtype() + ": it must be " + (arithmetic == DType.F64 ? "F64" : "F32, BF16 or F16"));
        }
        if (!Arrays.equals(gradient.shape(), weight.shape())) {
            throw new IllegalArgumentException(name + " has shape " + Arrays.toString(gradient.shape())
                    + ", and its weight has " + Arrays.toString(weight.shape()));
        }
        requireUsable(gradient, location, zeroed, name);
        fixed.requireFree(gradient.memory(), name);
    }

    /** Checks what a weight and a gradient must have in common with the device and the calling thread. */
    static void requireUsable(Tensor tensor, Device.Kind location, boolean written, String name) {
        if (tensor.location() != location) {
            throw new IllegalArgumentException(
                    name + " is in memory of " + tensor.location() + ", and the optimizer's device is " + location
                            + (location == Device.Kind.CUDA ? ": Mirror trains host memory on a GPU" : ""));
        }
        MemorySegment memory = tensor.memory();
        if (written && memory.isReadOnly()) {
            throw new IllegalArgumentException(name + " is read-only, and a step writes to it");
        }
        if (!memory.scope().isAlive()) {
            throw new IllegalStateException("the memory of " + name + " is closed");
        }
        if (!memory.isAccessibleBy(Thread.currentThread())) {
            throw new WrongThreadException("the memory of " + name
                    + " belongs to another thread's confined arena: use a" + " shared or automatic arena");
        }
    }

    /**
     * Checks that all memory is still there; allocates nothing unless a scope is new.
     *
     * @throws IllegalStateException naming a tensor whose memory was closed
     */
    void requireAlive() {
        if (scopes == null) {
            collectScopes();
        }
        for (int i = 0; i < scopes.length; i++) {
            if (!scopes[i].isAlive()) {
                throw new IllegalStateException("the memory of " + scopeNames[i] + " is closed: bind it again where it"
                        + " is now, or keep its arena open as long as the optimizer");
            }
        }
    }

    private void collectScopes() {
        Map<MemorySegment.Scope, String> distinct = new LinkedHashMap<>();
        for (int i = 0; i < bound.length; i++) {
            Parameter parameter = parameters.get(i);
            distinct.putIfAbsent(parameter.weight().memory().scope(), "the weight of '" + parameter.name() + "'");
            if (bound[i] != null) {
                distinct.putIfAbsent(bound[i].memory().scope(), name(i));
            }
        }
        for (Tensor tensor : adopted) {
            distinct.putIfAbsent(tensor.memory().scope(), "the adopted state");
        }
        scopes = distinct.keySet().toArray(MemorySegment.Scope[]::new);
        scopeNames = distinct.values().toArray(String[]::new);
    }

    private String name(int index) {
        return "the gradient of '" + parameters.get(index).name() + "'";
    }
}
