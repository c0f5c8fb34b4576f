package dev.gatun.cli;

import dev.gatun.Safetensors;
import dev.gatun.Tensor;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gatun checkpoint diff}: what two files differ in, and by how much. */
@Command(
        name = "diff",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description = {
            "Compares two files tensor by tensor, bit by bit. Exit code 1 if they differ.",
            "Of tensors that differ: how many elements do, the largest |a - b|, and the largest |a - b| / max(|a|, |b|)."
        })
final class CheckpointDiff implements Callable<Integer> {
    private static final String EQUAL = "equal";

    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "FILE", description = "One file.")
    private Path first;

    @Parameters(index = "1", paramLabel = "FILE", description = "The other.")
    private Path second;

    @Override
    public Integer call() throws IOException {
        Safetensors left = CheckpointCommand.open(first);
        Safetensors right = CheckpointCommand.open(second);
        PrintWriter out = spec.commandLine().getOut();
        TreeSet<String> names = new TreeSet<>(left.names());
        names.addAll(right.names());
        String row = "%-" + CheckpointCommand.width(names) + "s  %s%n";
        int different = 0;
        out.printf(row, "tensor", "%-6s  %10s  %12s  %12s".formatted("bits", "elements", "absolute", "relative"));
        for (String name : names) {
            String verdict = compare(left, right, name);
            different += verdict.equals(EQUAL) ? 0 : 1;
            out.printf(row, name, verdict);
        }
        out.println(
                different == 0
                        ? "all " + names.size() + " tensors have equal bits"
                        : different + " of " + names.size() + " tensors differ");
        boolean same = metadata(left.metadata(), right.metadata(), out);
        out.flush();
        return different == 0 && same ? 0 : Failures.DIFFERENT;
    }

    private static String compare(Safetensors left, Safetensors right, String name) {
        if (!left.names().contains(name)) {
            return "differ  only in the second file";
        }
        if (!right.names().contains(name)) {
            return "differ  only in the first file";
        }
        String type = left.type(name);
        if (!type.equals(right.type(name)) || !Arrays.equals(left.shape(name), right.shape(name))) {
            return "differ  " + type + Arrays.toString(left.shape(name)) + " and " + right.type(name)
                    + Arrays.toString(right.shape(name));
        }
        if (left.bytes(name).mismatch(right.bytes(name)) < 0) {
            return EQUAL;
        }
        return CheckpointCommand.isRead(type)
                ? difference(left.tensor(name), right.tensor(name))
                : "differ  values of " + type + " are not read";
    }

    private static String difference(Tensor left, Tensor right) {
        long elements = 0;
        double absolute = 0;
        double relative = 0;
        for (long i = 0; i < left.length(); i++) {
            double a = left.get(i);
            double b = right.get(i);
            // Equal infinities and equal NaNs are no difference in value, even where their bits differ.
            if (Double.compare(a, b) != 0) {
                double apart = Math.abs(a - b);
                elements++;
                absolute = Math.max(absolute, apart);
                relative = Math.max(relative, apart == 0 ? 0 : apart / Math.max(Math.abs(a), Math.abs(b)));
            }
        }
        return String.format(Locale.ROOT, "differ  %,10d  %12.6g  %12.6g", elements, absolute, relative);
    }

    /** Prints the keys whose values differ; checksums are left to the tensors they belong to. */
    private static boolean metadata(Map<String, String> left, Map<String, String> right, PrintWriter out) {
        TreeSet<String> keys = new TreeSet<>(left.keySet());
        keys.addAll(right.keySet());
        boolean same = true;
        for (String key : keys) {
            if (!key.startsWith("crc32c") && !Objects.equals(left.get(key), right.get(key))) {
                same = false;
                out.println("metadata " + key + ": " + CheckpointCommand.shortened(left.get(key)) + " and "
                        + CheckpointCommand.shortened(right.get(key)));
            }
        }
        return same;
    }
}
