package dev.gatun;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Files under PyTorch's names on their way to a Gatun checkpoint: {@link #add} all, {@link #sort}, take the result. */
final class PyTorchFile {
    private final PyTorchCheckpoint.Reading reading;
    private final Arena arena;
    private final Map<String, Tensor> all = new LinkedHashMap<>();
    private final Map<String, String> kept = new LinkedHashMap<>();
    private final List<String> leftOut = new ArrayList<>();
    private final List<String> stateless = new ArrayList<>();
    private final Map<String, Tensor> weights = new LinkedHashMap<>();
    private final Map<String, Tensor> states = new LinkedHashMap<>();
    private Map<String, String> metadata;
    private Checkpoint described;

    PyTorchFile(PyTorchCheckpoint.Reading reading, Arena arena) {
        this.reading = reading;
        this.arena = arena;
    }

    /** A rule's slots for a weight of a type, that of the master behind them. */
    static List<String> slots(Rule rule, DType dtype) {
        List<String> slots = new ArrayList<>(rule.slots());
        if (dtype.isHalf()) {
            slots.add(OptimizerState.MASTER);
        }
        return slots;
    }

    void add(Safetensors file) throws CheckpointException {
        for (String name : file.names()) {
            if (reading.leaveOut().contains(name) || name.startsWith(PyTorchNames.PARAM_GROUPS)) {
                leftOut.add(name);
            } else if (all.put(name, tensor(file, name)) != null) {
                throw new CheckpointException(file.file() + ": tensor '" + name + "' is in another of the files, too");
            }
        }
        file.metadata().forEach((key, value) -> {
            if (key.startsWith(PyTorchCheckpoint.METADATA)) {
                kept.put(key.substring(PyTorchCheckpoint.METADATA.length()), value);
            }
        });
    }

    private static Tensor tensor(Safetensors file, String name) throws CheckpointException {
        try {
            return file.tensor(name);
        } catch (IllegalArgumentException otherType) {
            throw new CheckpointException(otherType.getMessage() + ": leave it out if it is no parameter", otherType);
        }
    }

    /** Gives every tensor its place. */
    void sort() throws CheckpointException {
        metadata = reading.rule() == null ? kept() : made();
        described = Checkpoint.described(metadata);
        List<Rule> rules = described.rules();
        if (described.groupSteps().size() != rules.size()) {
            throw new CheckpointException("its metadata has steps of "
                    + described.groupSteps().size() + " groups, and " + rules.size() + " optimizers");
        }
        Map<String, Tensor> left = new LinkedHashMap<>(all);
        for (Map.Entry<String, Checkpoint.Entry> e : described.parameters().entrySet()) {
            take(e.getKey(), e.getValue(), PyTorchCheckpoint.ruleOf(e.getValue(), e.getKey(), rules), left);
        }
        if (!weights.isEmpty() && weights.size() < described.parameters().size()) {
            List<String> without = new ArrayList<>(described.parameters().keySet());
            weights.keySet().forEach(weight -> without.remove(weight.substring("weight/".length())));
            throw new CheckpointException("there is no weight of " + without + ", and there are those of others");
        }
        if (!left.isEmpty()) {
            throw new CheckpointException("tensors " + left.keySet() + " belong to no parameter: leave them out");
        }
    }

    /** Of a file that was a Gatun checkpoint. */
    private Map<String, String> kept() throws CheckpointException {
        if (!kept.containsKey(Checkpoint.OPTIMIZER)) {
            throw new CheckpointException(
                    "nothing in it says which optimizer its state is of: give one, such as adamw");
        }
        return kept;
    }

    /** Of PyTorch's own: one group, whose parameters are all that is not the state of another. */
    private Map<String, String> made() throws CheckpointException {
        Map<String, String> lines = new LinkedHashMap<>();
        long most = 0;
        for (Map.Entry<String, Tensor> e : all.entrySet()) {
            String name = e.getKey();
            if (isState(name)) {
                continue;
            }
            Tensor weight = e.getValue();
            long steps = steps(name);
            most = Math.max(most, steps);
            List<Long> shape = Arrays.stream(weight.shape()).boxed().toList();
            lines.put(Checkpoint.PARAMETER + name, new Checkpoint.Entry(0, steps, weight.dtype(), shape).toString());
        }
        Map<String, String> made = new LinkedHashMap<>();
        made.put(Checkpoint.FORMAT, Integer.toString(Checkpoint.FORMAT_VERSION));
        made.put(Checkpoint.OPTIMIZER, reading.rule().toString());
        made.put(Checkpoint.GROUP_STEPS, Long.toString(most));
        made.put(Checkpoint.STEPS, Long.toString(most));
        made.putAll(lines);
        return made;
    }

    /** Whether a tensor is the state of one that is there; a network may have a part that is called "state", too. */
    private boolean isState(String name) throws CheckpointException {
        int dot = name.lastIndexOf('.');
        if (!name.startsWith(PyTorchNames.STATE) || dot < PyTorchNames.STATE.length()) {
            return false;
        }
        String parameter = name.substring(PyTorchNames.STATE.length(), dot);
        String slot = name.substring(dot + 1);
        if (all.containsKey(parameter)) {
            return true;
        }
        if (slot.equals(PyTorchNames.STEP) || PyTorchNames.of(reading.rule()).contains(slot)) {
            throw new CheckpointException("'" + name + "' is the state of '" + parameter
                    + "', whose weight is not there: give the file with the weights, too");
        }
        return false;
    }

    private long steps(String parameter) throws CheckpointException {
        String prefix = PyTorchNames.STATE + parameter + ".";
        if (stateOf(prefix, all).isEmpty() && !reading.rule().slots().isEmpty()) {
            return 0;
        }
        if (reading.steps().isPresent()) {
            return reading.steps().getAsLong();
        }
        Tensor count = all.get(prefix + PyTorchNames.STEP);
        if (count == null) {
            throw new CheckpointException(
                    "there is no '" + prefix + PyTorchNames.STEP + "': give the number of steps that were taken");
        }
        return count(parameter, count);
    }

    private static List<String> stateOf(String prefix, Map<String, Tensor> tensors) {
        return tensors.keySet().stream()
                .filter(name -> name.startsWith(prefix) && name.indexOf('.', prefix.length()) < 0)
                .toList();
    }

    private static long count(String parameter, Tensor count) throws CheckpointException {
        double steps = count.length() == 1 ? count.get(0) : Double.NaN;
        if (!(steps >= 0 && steps <= 1e15 && steps == Math.rint(steps))) {
            throw new CheckpointException("the step of '" + parameter + "' must be one whole number, and is " + count
                    + (count.length() == 1 ? " " + steps : ""));
        }
        return (long) steps;
    }

    /** Takes a parameter's weight and state out of what is left. */
    private void take(String name, Checkpoint.Entry entry, Rule rule, Map<String, Tensor> left)
            throws CheckpointException {
        long[] shape = entry.shape().stream().mapToLong(Long::longValue).toArray();
        Tensor weight = left.remove(name);
        if (weight != null) {
            require(weight, entry.dtype(), shape, "the weight of '" + name + "'");
            weights.put("weight/" + name, weight);
        }
        String prefix = PyTorchNames.STATE + name + ".";
        Tensor count = left.remove(prefix + PyTorchNames.STEP);
        if (count != null && reading.steps().isEmpty() && count(name, count) != entry.steps()) {
            throw new CheckpointException("'" + name + "' has taken " + count(name, count)
                    + " steps, and the metadata of the checkpoint that the file was made from says " + entry.steps()
                    + ": give the optimizer, so that the metadata is not used");
        }
        List<String> slots = slots(rule, entry.dtype());
        List<String> present = slots.stream()
                .filter(slot -> left.containsKey(prefix + PyTorchNames.of(rule, slot)))
                .toList();
        if (present.isEmpty() && !slots.isEmpty() && reading.rule() != null && entry.steps() == 0) {
            stateless.add(name);
        }
        Recipe recipe = RuleForm.recipe(rule);
        for (int slot = 0; slot < slots.size(); slot++) {
            String theirs = prefix + PyTorchNames.of(rule, slots.get(slot));
            Tensor state = left.remove(theirs);
            boolean scalar = recipe.scalar(slot);
            if (state == null) {
                state = missing(name, theirs, slots, slot, entry, weight);
            }
            DType dtype = scalar ? DType.F64 : entry.dtype().arithmetic();
            state = dtype == DType.F32 && state.dtype().isHalf() ? widened(state) : state;
            // How many numbers a scalar slot has may depend on more than the shape.
            require(state, dtype, scalar ? new long[] {state.length()} : shape, "'" + theirs + "'");
            states.put("state/" + slots.get(slot) + "/" + name, state);
        }
        List<String> unknown = stateOf(prefix, left);
        if (!unknown.isEmpty()) {
            throw new CheckpointException(unknown + " is no state of " + rule + ", which has "
                    + slots.stream().map(slot -> PyTorchNames.of(rule, slot)).collect(Collectors.joining(", "))
                    + ": give the optimizer that wrote it");
        }
    }

    private Tensor missing(
            String name, String theirs, List<String> slots, int slot, Checkpoint.Entry entry, Tensor weight)
            throws CheckpointException {
        if (slots.get(slot).equals(OptimizerState.MASTER) && weight != null) {
            return widened(weight); // PyTorch has none, and the weight is what it went on from
        }
        if (!stateless.contains(name)) {
            throw new CheckpointException("there is no '" + theirs + "', and '" + name + "' has taken " + entry.steps()
                    + " steps: give the optimizer that wrote it");
        }
        Recipe recipe = RuleForm.recipe(reading.rule());
        Tensor zeros = recipe.scalar(slot)
                ? Tensor.allocate(arena, DType.F64, recipe.scalarLength(Parameter.of(name, weight)))
                : Tensor.allocate(arena, entry.dtype().arithmetic(), weight.shape());
        for (long i = 0; recipe.update().powers() != null && recipe.scalar(slot) && i < zeros.length(); i++) {
            zeros.set(i, OptimizerState.NO_POWER);
        }
        return zeros;
    }

    /** In F32, which has every value of BF16 and F16. */
    private Tensor widened(Tensor tensor) {
        Tensor wide = Tensor.allocate(arena, DType.F32, tensor.shape());
        for (long i = 0; i < wide.length(); i++) {
            wide.set(i, tensor.get(i));
        }
        return wide;
    }

    private static void require(Tensor tensor, DType dtype, long[] shape, String what) throws CheckpointException {
        if (tensor.dtype() != dtype || !Arrays.equals(tensor.shape(), shape)) {
            throw new CheckpointException(what + " must be " + dtype + Arrays.toString(shape) + ", and is " + tensor);
        }
    }

    Map<String, String> metadata() {
        return metadata;
    }

    /** In the order of a checkpoint: weights, then state. */
    Map<String, Tensor> tensors() {
        Map<String, Tensor> tensors = new LinkedHashMap<>(weights);
        tensors.putAll(states);
        return tensors;
    }

    PyTorchCheckpoint.Found found() {
        return new PyTorchCheckpoint.Found(
                described.optimizer(), described.parameters().size(), stateless, leftOut);
    }
}
