package dev.gatun;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Checkpoints under PyTorch's names, in safetensors: a weight is {@code layer.weight}, its state
 * {@code state.layer.weight.exp_avg}, {@code state.layer.weight.exp_avg_sq}, {@code state.layer.weight.momentum_buffer}, and
 * {@code state.layer.weight.step} counts its steps, F32. These are the names that
 * {@code torch.distributed.checkpoint.state_dict} gives with {@code flatten_optimizer_state_dict=True}. State that PyTorch's
 * optimizers do not have ({@code slow}, {@code ema}, {@code pos}, {@code neg}, {@code master}, ...) keeps Gatun's name.
 *
 * <p>{@code Sgd}, {@code Adam}, {@code AdamW} and {@code RAdam} of Gatun and {@code torch.optim} have the same state with the
 * same meaning, so that either can go on where the other stopped.
 */
public final class PyTorchCheckpoint {
    /** In front of the metadata of the Gatun checkpoint that a file was made from. */
    static final String METADATA = "gatun/";

    /** Counts up to here are exact in F32, PyTorch's type for them. */
    private static final long EXACT = 1L << 24;

    private PyTorchCheckpoint() {}

    /**
     * Writes a checkpoint under PyTorch's names. The file's metadata keeps what PyTorch has no place for, so that
     * {@link #load} gives the same checkpoint, bit for bit.
     *
     * @throws CheckpointException if this version of Gatun does not know its optimizer
     */
    public static void save(Checkpoint checkpoint, Path file) throws IOException {
        List<Rule> rules = checkpoint.rules();
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        try (Arena arena = Arena.ofConfined()) {
            for (Map.Entry<String, Checkpoint.Entry> e : checkpoint.parameters().entrySet()) {
                String name = e.getKey();
                checkpoint.weight(name).ifPresent(weight -> put(tensors, name, weight));
                Rule rule = ruleOf(e.getValue(), name, rules);
                for (String slot : PyTorchFile.slots(rule, e.getValue().dtype())) {
                    Tensor state = checkpoint
                            .state(slot, name)
                            .orElseThrow(() -> new CheckpointException(
                                    checkpoint.file().file() + ": it has no state " + slot + " of '" + name + "'"));
                    put(tensors, PyTorchNames.STATE + name + "." + PyTorchNames.of(rule, slot), state);
                }
                put(
                        tensors,
                        PyTorchNames.STATE + name + "." + PyTorchNames.STEP,
                        count(e.getValue().steps(), arena));
            }
            Map<String, String> metadata = new LinkedHashMap<>();
            metadata.put("format", "pt"); // what PyTorch's own writers say
            checkpoint.file().metadata().forEach((key, value) -> {
                if (!key.startsWith(Checksums.KEY)) {
                    metadata.put(METADATA + key, value);
                }
            });
            Safetensors.write(file, metadata, tensors);
        }
    }

    private static void put(Map<String, Tensor> tensors, String name, Tensor tensor) {
        if (tensors.put(name, tensor) != null) {
            throw new IllegalArgumentException("two tensors would have the name '" + name + "' under PyTorch's names");
        }
    }

    static Rule ruleOf(Checkpoint.Entry entry, String name, List<Rule> rules) throws CheckpointException {
        if (entry.group() >= rules.size()) {
            throw new CheckpointException("parameter '" + name + "' is of group " + entry.group() + ", and there are "
                    + rules.size() + " groups");
        }
        return rules.get(entry.group());
    }

    private static Tensor count(long steps, Arena arena) {
        Tensor count = Tensor.allocate(arena, steps <= EXACT ? DType.F32 : DType.F64);
        count.set(0, steps);
        return count;
    }

    /**
     * How to read files under PyTorch's names.
     *
     * @param rule the optimizer that the state is of, for all parameters; null to take what {@link #save} left in the file
     * @param steps that all parameters have taken, for files without {@code step}, such as those of PyTorch's SGD; empty to
     *     take {@code step}
     * @param leaveOut names of tensors that are no parameters, such as a normalization's running averages
     */
    public record Reading(Rule rule, OptionalLong steps, Set<String> leaveOut) {
        /** Checks and copies. */
        public Reading {
            steps = Check.notNull("steps", steps);
            leaveOut = Set.copyOf(Check.notNull("leaveOut", leaveOut));
            if (steps.isPresent()) {
                Check.atLeast("steps", steps.getAsLong(), 0);
            }
        }

        /** Of a file that {@link #save} wrote. */
        public static Reading plain() {
            return new Reading(null, OptionalLong.empty(), Set.of());
        }

        /** Of a file that PyTorch wrote, whose parameters have {@code step}. */
        public static Reading of(Rule rule) {
            return new Reading(Check.notNull("rule", rule), OptionalLong.empty(), Set.of());
        }
    }

    /**
     * What was read.
     *
     * @param optimizer the groups' rules as specification strings
     * @param parameters how many there are
     * @param stateless those without any state in the files, which now have zeros and no steps
     * @param leftOut tensors that are in no parameter: hyperparameters, and those that were asked to be left out
     */
    public record Found(String optimizer, int parameters, List<String> stateless, List<String> leftOut) {
        /** Copies the lists. */
        public Found {
            stateless = List.copyOf(stateless);
            leftOut = List.copyOf(leftOut);
        }
    }

    /**
     * Makes a Gatun checkpoint out of files under PyTorch's names, often one with the weights and one with the state.
     * Everything is checked before anything is written.
     *
     * @throws CheckpointException saying which tensor is missing, unknown, or of another type or shape than the rule's
     */
    public static Found load(List<Path> files, Reading reading, Path checkpoint) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            PyTorchFile content = new PyTorchFile(reading, arena);
            for (Path file : files) {
                content.add(Safetensors.read(file));
            }
            try {
                content.sort();
            } catch (CheckpointException e) {
                String names = files.stream().map(Path::toString).collect(Collectors.joining(", "));
                throw new CheckpointException(names + ": " + e.getMessage(), e);
            }
            CheckpointWriter.write(checkpoint, content.metadata(), content.tensors(), FileCalls.SYSTEM);
            return content.found();
        }
    }
}
