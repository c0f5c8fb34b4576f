package dev.gatun.cli;

import dev.gatun.Checkpoint;
import dev.gatun.CheckpointException;
import dev.gatun.Safetensors;
import dev.gatun.Tensor;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;
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
                "Shows, verifies and compares saved files. show and diff take any safetensors file of F32 and F64.")
final class CheckpointCommand implements Runnable {
    @Spec
    private CommandSpec spec;

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "a command is missing: show, verify or diff");
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
            Tensor tensor = saved.tensor(name);
            double squares = 0;
            double largest = 0;
            for (long i = 0; i < tensor.length(); i++) {
                double value = tensor.get(i);
                squares += value * value;
                largest = Math.max(largest, Math.abs(value));
            }
            out.printf(
                    Locale.ROOT,
                    "  %-" + width + "s  %-4s  %-20s  %12.6g  %12.6g%n",
                    name,
                    tensor.dtype(),
                    Arrays.toString(tensor.shape()),
                    Math.sqrt(squares),
                    largest);
        }
        out.flush();
        return 0;
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

    @Command(
            name = "diff",
            mixinStandardHelpOptions = true,
            versionProvider = Version.class,
            description = "Compares two files tensor by tensor, bit by bit. Exit code 1 if they differ.")
    int diff(@Parameters(paramLabel = "FILE") Path first, @Parameters(paramLabel = "FILE") Path second)
            throws IOException {
        Safetensors left = open(first);
        Safetensors right = open(second);
        PrintWriter out = spec.commandLine().getOut();
        TreeSet<String> names = new TreeSet<>(left.names());
        names.addAll(right.names());
        int width = width(names);
        int different = 0;
        out.printf("%-" + width + "s  %-5s  %s%n", "tensor", "bits", "largest difference");
        for (String name : names) {
            String verdict = compare(left, right, name);
            different += verdict.equals(EQUAL) ? 0 : 1;
            out.printf("%-" + width + "s  %s%n", name, verdict);
        }
        out.println(
                different == 0
                        ? "all " + names.size() + " tensors have equal bits"
                        : different + " of " + names.size() + " tensors differ");
        boolean same = metadata(left.metadata(), right.metadata(), out);
        out.flush();
        return different == 0 && same ? 0 : Failures.DIFFERENT;
    }

    /** A whole safetensors file that somebody else wrote is not a damaged checkpoint. */
    private static boolean hasNoChecksums(Path file) throws IOException {
        try {
            return Safetensors.read(file).metadata().keySet().stream().noneMatch(key -> key.startsWith("crc32c"));
        } catch (CheckpointException damage) {
            return false;
        }
    }

    private static final String EQUAL = "equal  0";

    private static String compare(Safetensors left, Safetensors right, String name) {
        if (!left.names().contains(name)) {
            return "differ only in the second file";
        }
        if (!right.names().contains(name)) {
            return "differ only in the first file";
        }
        Tensor a = left.tensor(name);
        Tensor b = right.tensor(name);
        if (a.dtype() != b.dtype() || !Arrays.equals(a.shape(), b.shape())) {
            return "differ " + a.dtype() + Arrays.toString(a.shape()) + " and " + b.dtype()
                    + Arrays.toString(b.shape());
        }
        if (a.memory().mismatch(b.memory()) < 0) {
            return EQUAL;
        }
        double largest = 0;
        for (long i = 0; i < a.length(); i++) {
            // Equal infinities and equal NaNs are no difference in value, even where their bits differ.
            if (Double.compare(a.get(i), b.get(i)) != 0) {
                largest = Math.max(largest, Math.abs(a.get(i) - b.get(i)));
            }
        }
        return String.format(Locale.ROOT, "differ %.6g", largest);
    }

    /** Prints the keys whose values differ; checksums are left to the tensors they belong to. */
    private static boolean metadata(Map<String, String> left, Map<String, String> right, PrintWriter out) {
        TreeSet<String> keys = new TreeSet<>(left.keySet());
        keys.addAll(right.keySet());
        boolean same = true;
        for (String key : keys) {
            if (!key.startsWith("crc32c") && !Objects.equals(left.get(key), right.get(key))) {
                same = false;
                out.println("metadata " + key + ": " + shortened(left.get(key)) + " and " + shortened(right.get(key)));
            }
        }
        return same;
    }

    private static Safetensors open(Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw missing(file);
        }
        return Safetensors.read(file);
    }

    private static BadInput missing(Path file) {
        return new BadInput(file + ": no such file; pass a file that save() or --out wrote");
    }

    private static int width(Iterable<String> names) {
        int width = "tensor".length();
        for (String name : names) {
            width = Math.max(width, name.length());
        }
        return width;
    }

    /** Step counters of a large model make long lines. */
    private static String shortened(String value) {
        int most = 100;
        return value == null
                ? "absent"
                : value.length() <= most ? value : value.substring(0, most) + "... (" + value.length() + ")";
    }
}
