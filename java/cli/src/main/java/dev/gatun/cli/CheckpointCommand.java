package dev.gatun.cli;

import dev.gatun.Checkpoint;
import dev.gatun.CheckpointException;
import dev.gatun.DType;
import dev.gatun.Safetensors;
import dev.gatun.Tensor;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.TreeMap;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gatun checkpoint}: looks into saved files. */
@Command(
        name = "checkpoint",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description =
                "Shows, verifies, compares and converts saved files. show and diff take any safetensors file of F32, F64,"
                        + " BF16 and F16.",
        subcommands = {CheckpointDiff.class, CheckpointConvert.class})
final class CheckpointCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "a command is missing: show, verify, diff or convert");
    }

    @Command(
            name = "show",
            mixinStandardHelpOptions = true,
            versionProvider = Version.class,
            description = "Prints metadata, and shape, norm and largest value of every tensor.")
    int show(@Parameters(paramLabel = "FILE") Path file) throws IOException {
        Safetensors saved = open(file);
        PrintWriter out = spec.commandLine().getOut();
        out.println(file + ": " + Files.size(file) + " bytes, " + saved.names().size() + " tensors");
        new TreeMap<>(saved.metadata()).forEach((key, value) -> out.println("  " + key + " = " + shortened(value)));
        int width = width(saved.names());
        out.printf("  %-" + width + "s  %-4s  %-20s  %12s  %12s%n", "tensor", "type", "shape", "norm", "largest");
        for (String name : saved.names()) {
            out.printf(
                    "  %-" + width + "s  %-4s  %-20s  %s%n",
                    name,
                    saved.type(name),
                    Arrays.toString(saved.shape(name)),
                    isRead(saved.type(name)) ? magnitude(saved.tensor(name)) : "%12s  %12s".formatted("-", "-"));
        }
        out.flush();
        return 0;
    }

    /** Its norm and its largest value. */
    private static String magnitude(Tensor tensor) {
        double squares = 0;
        double largest = 0;
        for (long i = 0; i < tensor.length(); i++) {
            double value = tensor.get(i);
            squares += value * value;
            largest = Math.max(largest, Math.abs(value));
        }
        return String.format(Locale.ROOT, "%12.6g  %12.6g", Math.sqrt(squares), largest);
    }

    /** Whether values of a type are read; of others, such as the I64 counters in PyTorch's files, only the bits are. */
    static boolean isRead(String type) {
        return Arrays.stream(DType.values()).anyMatch(dtype -> dtype.name().equals(type));
    }

    @Command(
            name = "verify",
            mixinStandardHelpOptions = true,
            versionProvider = Version.class,
            description = "Compares header and tensors with their checksums. Exit code 1 if the file is damaged.")
    int verify(@Parameters(paramLabel = "FILE") Path file) throws IOException {
        PrintWriter out = spec.commandLine().getOut();
        if (!Files.isRegularFile(file)) {
            throw missing(file);
        }
        try {
            Checkpoint checkpoint = Checkpoint.read(file);
            out.println(file + ": whole, format version " + checkpoint.formatVersion() + ", " + checkpoint.optimizer());
            return 0;
        } catch (CheckpointException damage) {
            if (hasNoChecksums(file)) {
                throw new BadInput(
                        file + ": it has no checksums, so it is not a checkpoint; pass a file that save() wrote");
            }
            out.println(file + ": DAMAGED: " + damage.getMessage());
            return Failures.DIFFERENT;
        } finally {
            out.flush();
        }
    }

    /** A whole safetensors file that somebody else wrote is not a damaged checkpoint. */
    private static boolean hasNoChecksums(Path file) throws IOException {
        try {
            return Safetensors.read(file).metadata().keySet().stream().noneMatch(key -> key.startsWith("crc32c"));
        } catch (CheckpointException damage) {
            return false;
        }
    }

    static Safetensors open(Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw missing(file);
        }
        return Safetensors.read(file);
    }

    static BadInput missing(Path file) {
        return new BadInput(file + ": no such file; pass a file that save() or --out wrote");
    }

    static int width(Iterable<String> names) {
        int width = "tensor".length();
        for (String name : names) {
            width = Math.max(width, name.length());
        }
        return width;
    }

    /** Step counters of a large model make long lines. */
    static String shortened(String value) {
        int most = 100;
        return value == null
                ? "absent"
                : value.length() <= most ? value : value.substring(0, most) + "... (" + value.length() + ")";
    }
}
