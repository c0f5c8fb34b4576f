package dev.gatun;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.function.Consumer;

/**
 * The memory of an optimizer, on its device: state tensors and step counters, zero at first. The parameters of a group
 * that share a type are one group of the backend; the counters of each have one long per tensor and one for the group.
 * Weights of BF16 and F16 have one state tensor more, behind their rule's: {@value #MASTER}.
 */
final class OptimizerState implements AutoCloseable {
    /** The slot of the weights in F32, for weights of BF16 and F16. */
    static final String MASTER = "master";

    /** Where a parameter is among the backend's groups. */
    private record Place(int group, int member) {}

    /** What input powers are as long as there was no input; they themselves are 0 or more. */
    static final double NO_POWER = -1;

    private final Device device;
    private final StateMemory memory;
    private final List<Parameter> parameters = new ArrayList<>();
    private final List<Place> places = new ArrayList<>();
    private final List<List<Tensor>> tensors = new ArrayList<>();
    private final List<List<String>> slots = new ArrayList<>();
    private final List<Backend.Group> backendGroups = new ArrayList<>();
    /** The optimizer's group of every group of the backend. */
    private final List<Integer> owners = new ArrayList<>();

    private final Rounding rounding;
    private final long seed;
    /** Is the state the caller's memory, and no step taken since? */
    private boolean justAdopted;

    /** Allocated, and for weights that have no masters. */
    OptimizerState(Device device, List<ParameterGroup> groups) {
        this(device, groups, null, Rounding.NEAREST, 0);
    }

    /**
     * @param adopted the caller's memory for all state tensors, parameter by parameter and slot by slot, which keeps
     *     its contents; null to allocate zeros
     */
    OptimizerState(Device device, List<ParameterGroup> groups, List<Tensor> adopted, Rounding rounding, long seed) {
        this.device = device;
        this.rounding = rounding;
        this.seed = seed;
        justAdopted = adopted != null;
        memory = new StateMemory(device);
        try {
            requireCount(groups, adopted);
            Iterator<Tensor> next = adopted == null ? null : adopted.iterator();
            for (int g = 0; g < groups.size(); g++) {
                add(groups.get(g), g, next);
            }
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
    }

    private static void requireCount(List<ParameterGroup> groups, List<Tensor> adopted) {
        int needed = 0;
        for (ParameterGroup group : groups) {
            Recipe recipe = RuleForm.recipe(group.rule());
            needed += group.parameters().stream()
                    .mapToInt(parameter -> slots(parameter.weight(), recipe).size())
                    .sum();
        }
        if (adopted != null && adopted.size() != needed) {
            throw new IllegalArgumentException("state has " + adopted.size() + " tensors, and the parameters need "
                    + needed
                    + ": one for each of a rule's slots(), and one for the master of a weight of BF16 or F16, parameter by"
                    + " parameter");
        }
    }

    private void add(ParameterGroup group, int owner, Iterator<Tensor> adopted) {
        Recipe recipe = RuleForm.recipe(group.rule());
        int first = backendGroups.size();
        List<DType> types = group.parameters().stream()
                .map(p -> p.weight().dtype())
                .distinct()
                .toList();
        List<List<Backend.Member>> members = new ArrayList<>();
        types.forEach(type -> members.add(new ArrayList<>()));
        for (Parameter parameter : group.parameters()) {
            int type = types.indexOf(parameter.weight().dtype());
            List<Tensor> state = adopted == null ? allocate(parameter, recipe) : adopt(parameter, recipe, adopted);
            places.add(new Place(first + type, members.get(type).size()));
            members.get(type).add(member(parameter, state, recipe));
            parameters.add(parameter);
            tensors.add(state);
            slots.add(slots(parameter.weight(), recipe));
        }
        for (int type = 0; type < types.size(); type++) {
            MemorySegment counters = memory.longs(members.get(type).size() + 1L);
            backendGroups.add(new Backend.Group(
                    recipe, types.get(type), rounding, seed, List.copyOf(members.get(type)), counters));
            owners.add(owner);
        }
    }

    private static List<String> slots(Tensor weight, Recipe recipe) {
        List<String> names = new ArrayList<>(recipe.slots());
        if (weight.dtype().isHalf()) {
            names.add(MASTER);
        }
        return names;
    }

    private List<Tensor> allocate(Parameter parameter, Recipe recipe) {
        Tensor weight = parameter.weight();
        List<Tensor> state = new ArrayList<>();
        for (int slot = 0; slot < slots(weight, recipe).size(); slot++) {
            state.add(
                    recipe.scalar(slot)
                            ? memory.tensor(DType.F64, recipe.scalarLength(parameter))
                            : memory.tensor(weight.dtype().arithmetic(), weight.shape()));
            if (recipe.scalar(slot) && recipe.powers(parameter) > 0) {
                setNoPower(state.getLast());
            }
        }
        return state;
    }

    /**
     * Before a step. Adopted memory begins as zeros, and an input power of 0 would be one: parameters that have not taken a
     * step have none. Only now is it known which those are, because counts come after the memory.
     */
    void begin() {
        if (!justAdopted) {
            return;
        }
        justAdopted = false;
        List<long[]> counters = counters();
        for (int i = 0; i < parameters.size(); i++) {
            Place place = places.get(i);
            if (powers(i) > 0 && counters.get(place.group)[place.member] == 0) {
                setNoPower(power(i));
            }
        }
    }

    private Tensor power(int parameter) {
        return tensors.get(parameter).get(slots.get(parameter).indexOf("power"));
    }

    private void setNoPower(Tensor powers) {
        try (Arena call = Arena.ofConfined()) {
            Tensor host = Tensor.allocate(call, DType.F64, powers.shape());
            for (long i = 0; i < host.length(); i++) {
                host.set(i, NO_POWER);
            }
            device.copy(powers.memory(), host.memory());
            device.synchronize();
        }
    }

    private static List<Tensor> adopt(Parameter parameter, Recipe recipe, Iterator<Tensor> adopted) {
        List<Tensor> state = new ArrayList<>();
        Tensor weight = parameter.weight();
        List<String> names = slots(weight, recipe);
        for (int slot = 0; slot < names.size(); slot++) {
            Tensor tensor = adopted.next();
            DType dtype = recipe.scalar(slot) ? DType.F64 : weight.dtype().arithmetic();
            long[] shape = recipe.scalar(slot) ? new long[] {recipe.scalarLength(parameter)} : weight.shape();
            String name = "the state " + names.get(slot) + " of '" + parameter.name() + "'";
            if (tensor.dtype() != dtype || !Arrays.equals(tensor.shape(), shape)) {
                throw new IllegalArgumentException(
                        name + " must be " + dtype + Arrays.toString(shape) + ", and is " + tensor);
            }
            Gradients.requireUsable(tensor, weight.location(), true, name);
            state.add(tensor);
        }
        return state;
    }

    /** {@code state} has a slot for each of {@link #slots}. */
    private Backend.Member member(Parameter parameter, List<Tensor> state, Recipe recipe) {
        Tensor weight = parameter.weight();
        int slots = recipe.slots().size();
        boolean matrix = weight.dimensions() >= 2;
        boolean decay = parameter.decay() && (matrix || !recipe.decaysMatricesOnly());
        return new Backend.Member(
                weight.memory(),
                weight.dtype().isHalf() ? state.get(slots).memory() : null,
                state.subList(0, slots).stream().map(Tensor::memory).toList(),
                weight.length(),
                weight.rows(),
                matrix,
                decay,
                recipe.powers(parameter),
                parameter.groups(),
                parameters.size());
    }

    /** Whether anything changes a parameter's gradient before its rule sees it. */
    boolean transforms(int parameter) {
        return !backendGroups.get(backendGroup(parameter)).recipe().transforms().isEmpty();
    }

    /** Numbers that the backend gives tensor by tensor, group by group, in the order of the parameters. */
    double[] byParameter(Consumer<double[]> fill) {
        double[] found = new double[parameters.size()];
        fill.accept(found);
        int[] first = new int[backendGroups.size()];
        for (int g = 1; g < first.length; g++) {
            first[g] = first[g - 1] + backendGroups.get(g - 1).members().size();
        }
        double[] ordered = new double[found.length];
        for (int i = 0; i < ordered.length; i++) {
            ordered[i] = found[first[backendGroup(i)] + member(i)];
        }
        return ordered;
    }

    /** How many input powers a parameter has; 0 if it takes no input. */
    long powers(int parameter) {
        Place place = places.get(parameter);
        return backendGroups.get(place.group).members().get(place.member).powers();
    }

    /** Whether a parameter has taken a step with an input that was not all zero. */
    boolean hasPower(int parameter) {
        if (powers(parameter) == 0) {
            return false;
        }
        Tensor power = power(parameter);
        try (Arena call = Arena.ofConfined()) {
            MemorySegment first = call.allocate(ValueLayout.JAVA_DOUBLE);
            device.copy(first, power.memory().asSlice(0, Double.BYTES));
            device.synchronize();
            return first.get(ValueLayout.JAVA_DOUBLE, 0) > 0;
        }
    }

    /** Whether anything of the optimizer depends on its seed. */
    boolean drawsRoundings() {
        return rounding == Rounding.STOCHASTIC
                && parameters.stream().anyMatch(p -> p.weight().dtype().isHalf());
    }

    List<Backend.Group> backendGroups() {
        return backendGroups;
    }

    int owner(int backendGroup) {
        return owners.get(backendGroup);
    }

    int backendGroup(int parameter) {
        return places.get(parameter).group;
    }

    int member(int parameter) {
        return places.get(parameter).member;
    }

    /** The parameter at a place among the backend's groups. */
    Parameter parameter(int backendGroup, int member) {
        return parameters.get(places.indexOf(new Place(backendGroup, member)));
    }

    List<String> slots(int parameter) {
        return slots.get(parameter);
    }

    List<Tensor> tensors(int parameter) {
        return tensors.get(parameter);
    }

    /** All counters as they are now, one array for each group of the backend; waits for the device. */
    List<long[]> counters() {
        List<long[]> counters = new ArrayList<>();
        for (Backend.Group group : backendGroups) {
            try (Arena call = Arena.ofConfined()) {
                MemorySegment host = call.allocate(group.counters().byteSize(), Long.BYTES);
                device.copy(host, group.counters());
                device.synchronize();
                counters.add(host.toArray(ValueLayout.JAVA_LONG));
            }
        }
        return counters;
    }

    /** Sets all counters, the same arrays that {@link #counters} gives. */
    void setCounters(List<long[]> counters) {
        for (int i = 0; i < counters.size(); i++) {
            try (Arena call = Arena.ofConfined()) {
                MemorySegment host = call.allocateFrom(ValueLayout.JAVA_LONG, counters.get(i));
                device.copy(backendGroups.get(i).counters(), host);
                device.synchronize();
            }
        }
    }

    /** The steps that a parameter has taken, by the counters given. */
    long steps(List<long[]> counters, int parameter) {
        Place place = places.get(parameter);
        return counters.get(place.group)[place.member];
    }

    void setSteps(List<long[]> counters, int parameter, long steps) {
        Place place = places.get(parameter);
        counters.get(place.group)[place.member] = steps;
    }

    /** The steps that a group of the optimizer has taken; 0 for one without parameters. */
    long groupSteps(List<long[]> counters, int group) {
        int first = owners.indexOf(group);
        return first < 0 ? 0 : last(counters.get(first));
    }

    void setGroupSteps(List<long[]> counters, int group, long steps) {
        for (int i = 0; i < owners.size(); i++) {
            if (owners.get(i) == group) {
                counters.get(i)[counters.get(i).length - 1] = steps;
            }
        }
    }

    /** Sets every parameter's count; a group has taken as many steps as the parameter that took most. */
    void setAllSteps(long[] steps) {
        List<long[]> counters = counters();
        for (int i = 0; i < steps.length; i++) {
            setSteps(counters, i, steps[i]);
        }
        for (long[] group : counters) {
            group[group.length - 1] =
                    Arrays.stream(group, 0, group.length - 1).max().orElse(0);
        }
        setCounters(counters);
    }

    /** What was allocated on the device: state and masters that were not adopted, and counters. */
    long bytes() {
        return memory.bytes();
    }

    private static long last(long[] values) {
        return values[values.length - 1];
    }

    @Override
    public void close() {
        memory.close();
    }
}
