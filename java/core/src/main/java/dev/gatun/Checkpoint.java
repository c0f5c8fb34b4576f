package dev.gatun;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A saved optimizer: a safetensors file with tensors {@code weight/<name>} (unless left out) and
 * {@code state/<slot>/<name>} (with {@code master} for weights of BF16 and F16), and in its metadata
 *
 * <pre>
 * gatun_format       version of this layout, 1
 * optimizer          the groups' rules as specification strings, joined by "; "
 * group_steps        the steps each group has taken, joined by ", "
 * steps              calls of step(): the schedules' clock
 * schedule/&lt;group&gt;   what a group's schedule has seen, see {@link Schedule#state}; left out where that is nothing
 * parameter/&lt;name&gt;   group 0, steps 12, F32 [3, 4]
 * rounding           stochastic, if weights are made from masters in that way; else left out
 * seed               of stochastic rounding
 * loss_scale         65536.0, 12: the scale and the steps in a row with it; only with loss scaling
 * crc32c/&lt;tensor&gt;    checksum of a tensor's bytes
 * crc32c             checksum of the header
 * </pre>
 *
 * <p>{@link #read} has verified all checksums: a file with one flipped bit, or cut short, is refused.
 */
public final class Checkpoint {
    /** The version that {@link Optimizer#save} writes, and the newest that {@link #read} reads. */
    public static final int FORMAT_VERSION = 1;

    static final String FORMAT = "gatun_format";
    static final String OPTIMIZER = "optimizer";
    static final String GROUP_STEPS = "group_steps";
    static final String STEPS = "steps";
    static final String SCHEDULE = "schedule/";
    static final String ROUNDING = "rounding";
    static final String STOCHASTIC = "stochastic";
    static final String SEED = "seed";
    static final String LOSS_SCALE = "loss_scale";
    static final String PARAMETER = "parameter/";

    private static final Pattern PARAMETER_LINE =
            Pattern.compile("group ([0-9]{1,9}), steps ([0-9]{1,18}), (F32|F64|BF16|F16) \\[([0-9, ]*)]");

    private static final Pattern NUMBER = Pattern.compile("[0-9]{1,18}");

    private static final Pattern LOSS_SCALE_LINE =
            Pattern.compile("([0-9]{1,10}\\.[0-9]{1,10}(?:E-?[0-9]{1,2})?), ([0-9]{1,18})");

    /**
     * What a checkpoint says of a parameter.
     *
     * @param group its group's number
     * @param steps the steps it has taken
     * @param dtype its type
     * @param shape its sizes
     */
    public record Entry(int group, long steps, DType dtype, List<Long> shape) {
        /** As it stands in the file. */
        @Override
        public String toString() {
            return "group " + group + ", steps " + steps + ", " + dtype + " " + shape;
        }
    }

    private final Safetensors file;
    private final Map<String, String> metadata;
    private final int version;
    private final long steps;
    private final List<Long> groupSteps;
    private final OptionalLong seed;
    private final LossScale.Saved lossScale;
    private final Map<String, Entry> parameters;

    private Checkpoint(Safetensors file, Map<String, String> metadata) throws CheckpointException {
        this.file = file;
        this.metadata = metadata;
        this.version = (int) number(FORMAT, metadata.get(FORMAT));
        this.steps = number(STEPS, metadata.get(STEPS));
        this.groupSteps = numbers(GROUP_STEPS, metadata.get(GROUP_STEPS));
        this.seed = seed(metadata);
        this.lossScale = lossScale(metadata.get(LOSS_SCALE));
        this.parameters = new LinkedHashMap<>();
        for (Map.Entry<String, String> e : metadata.entrySet()) {
            if (e.getKey().startsWith(PARAMETER)) {
                parameters.put(e.getKey().substring(PARAMETER.length()), entry(e.getKey(), e.getValue()));
            }
        }
        if (metadata.get(OPTIMIZER) == null) {
            throw new CheckpointException("its metadata has no " + OPTIMIZER);
        }
    }

    /**
     * Reads a checkpoint and verifies every checksum.
     *
     * @throws CheckpointException with the reason, if it is damaged, not a checkpoint, or of a newer format
     * @throws IOException if it cannot be opened
     */
    public static Checkpoint read(Path path) throws IOException {
        Safetensors file = Safetensors.read(path);
        try {
            requireVersion(file.metadata());
            Checksums.verify(file.headerBytes().toArray(ValueLayout.JAVA_BYTE));
            for (String name : file.names()) {
                String stored = file.metadata().get(Checksums.keyOf(name));
                String computed = Checksums.of(file.bytes(name));
                if (!computed.equals(stored)) {
                    throw new CheckpointException("tensor '" + name + "' is damaged: checksum " + computed
                            + ", but it was saved with " + stored);
                }
            }
            return new Checkpoint(file, file.metadata());
        } catch (CheckpointException e) {
            throw new CheckpointException(path + ": " + e.getMessage(), e);
        }
    }

    /** What metadata alone says: a checkpoint without a file, as long as nobody asks for tensors. */
    static Checkpoint described(Map<String, String> metadata) throws CheckpointException {
        requireVersion(metadata);
        return new Checkpoint(null, metadata);
    }

    private static void requireVersion(Map<String, String> metadata) throws CheckpointException {
        String format = metadata.get(FORMAT);
        if (format == null) {
            throw new CheckpointException("it is safetensors, but no checkpoint of Gatun: no " + FORMAT);
        }
        long version = number(FORMAT, format);
        if (version < 1 || version > FORMAT_VERSION) {
            throw new CheckpointException("it has format version " + version + ", and this Gatun reads versions up to "
                    + FORMAT_VERSION + ": use a newer Gatun");
        }
    }

    private static Entry entry(String key, String value) throws CheckpointException {
        Matcher line = PARAMETER_LINE.matcher(value);
        if (!line.matches()) {
            throw new CheckpointException("its metadata '" + key + "' is '" + value + "', which has another form");
        }
        return new Entry(
                Integer.parseInt(line.group(1)),
                Long.parseLong(line.group(2)),
                DType.valueOf(line.group(3)),
                numbers(key, line.group(4)));
    }

    private static OptionalLong seed(Map<String, String> metadata) throws CheckpointException {
        String rounding = metadata.get(ROUNDING);
        if (rounding == null) {
            return OptionalLong.empty();
        }
        try {
            if (rounding.equals(STOCHASTIC)) {
                return OptionalLong.of(Long.parseLong(metadata.getOrDefault(SEED, "none")));
            }
        } catch (NumberFormatException e) {
            throw new CheckpointException(
                    "its metadata '" + SEED + "' is '" + metadata.get(SEED) + "', and should be a number", e);
        }
        throw new CheckpointException(
                "its metadata '" + ROUNDING + "' is '" + rounding + "', and this Gatun knows " + STOCHASTIC);
    }

    private static LossScale.Saved lossScale(String value) throws CheckpointException {
        if (value == null) {
            return null;
        }
        Matcher line = LOSS_SCALE_LINE.matcher(value);
        float scale = line.matches() ? Float.parseFloat(line.group(1)) : 0;
        if (!(scale >= Float.MIN_NORMAL && scale <= Float.MAX_VALUE)) {
            throw new CheckpointException("its metadata '" + LOSS_SCALE + "' is '" + value
                    + "', and should be a scale above 0 and a number of steps");
        }
        return new LossScale.Saved(scale, Long.parseLong(line.group(2)));
    }

    /** Numbers joined by ", ". Not one expression for all of them: Java's would need a stack as deep as they are many. */
    private static List<Long> numbers(String key, String value) throws CheckpointException {
        if (value == null) {
            throw new CheckpointException("its metadata has no '" + key + "', which should have numbers");
        }
        if (value.isEmpty()) {
            return List.of();
        }
        List<Long> numbers = new ArrayList<>();
        for (String number : value.split(", ", -1)) {
            if (!NUMBER.matcher(number).matches()) {
                throw new CheckpointException("its metadata '" + key + "' is '" + value + "', and should have numbers");
            }
            numbers.add(Long.valueOf(number));
        }
        return List.copyOf(numbers);
    }

    private static long number(String key, String value) throws CheckpointException {
        List<Long> numbers = numbers(key, value);
        if (numbers.size() != 1) {
            throw new CheckpointException("its metadata '" + key + "' is '" + value + "', and should be one number");
        }
        return numbers.getFirst();
    }

    /** The version of the file's layout. */
    public int formatVersion() {
        return version;
    }

    /** The groups' rules as specification strings, joined by {@code "; "}. */
    public String optimizer() {
        return metadata.get(OPTIMIZER);
    }

    /**
     * The groups' rules.
     *
     * @throws CheckpointException if this version of Gatun does not know one
     */
    public List<Rule> rules() throws CheckpointException {
        try {
            return optimizer().isEmpty()
                    ? List.of()
                    : Stream.of(optimizer().split(";", -1)).map(Rule::parse).toList();
        } catch (SpecificationException e) {
            String where = file == null ? "" : file.file() + ": ";
            throw new CheckpointException(where + e.getMessage(), e);
        }
    }

    /** Calls of {@link Optimizer#step} before it was saved: the schedules' clock. */
    public long steps() {
        return steps;
    }

    /** The steps that each group had taken. */
    public List<Long> groupSteps() {
        return groupSteps;
    }

    /** What a group's schedule had seen, see {@link Schedule#state}; empty if that was nothing. */
    public String scheduleState(int group) {
        return metadata.getOrDefault(SCHEDULE + group, "");
    }

    /** What the roundings of its weights were drawn from; empty unless they were {@link Rounding#STOCHASTIC}. */
    public OptionalLong seed() {
        return seed;
    }

    /** The loss scale that the next step would have had; empty if it was saved without {@link LossScaling}. */
    public OptionalDouble lossScale() {
        return lossScale == null ? OptionalDouble.empty() : OptionalDouble.of(lossScale.scale());
    }

    /** Null if it has none. */
    LossScale.Saved savedLossScale() {
        return lossScale;
    }

    /** The parameters by name, in their order. */
    public Map<String, Entry> parameters() {
        return Collections.unmodifiableMap(parameters);
    }

    /** The saved weight of a parameter, if weights were saved. */
    public Optional<Tensor> weight(String name) {
        return tensor("weight/" + name);
    }

    /** The saved state of a parameter, if it has that slot. */
    public Optional<Tensor> state(String slot, String name) {
        return tensor("state/" + slot + "/" + name);
    }

    /** The file with all tensors and metadata. */
    public Safetensors file() {
        return file;
    }

    private Optional<Tensor> tensor(String name) {
        return file.names().contains(name) ? Optional.of(file.tensor(name)) : Optional.empty();
    }
}
