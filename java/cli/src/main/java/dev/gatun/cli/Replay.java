package dev.gatun.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.gatun.DType;
import dev.gatun.Device;
import dev.gatun.Rule;
import dev.gatun.SpecificationException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gatun replay}: runs recorded gradients through an optimizer and compares the weights with the recorded ones. */
@Command(
        name = "replay",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description = {
            "Runs recorded traces through an optimizer and compares the weights after every step.",
            "The error of a tensor is norm-wise: the largest |weight - expected| over all steps and elements, divided by the"
                    + " largest |expected| or start weight of that tensor. NaN fails.",
            "Exit code 1 if any trace is further off than the tolerance."
        })
final class Replay implements Callable<Integer> {
    private static final double F32_TOLERANCE = 5e-6;
    private static final double F64_TOLERANCE = 1e-12;

    @Spec
    private CommandSpec spec;

    @Parameters(
            arity = "1..*",
            paramLabel = "TRACE",
            description = "Traces: safetensors files with weight/<name>, grad/<t>/<name>, expect/<t>/<name>.")
    private List<Path> files;

    @Mixin
    private DeviceOptions device;

    @Option(
            names = "--tolerance",
            paramLabel = "X",
            description =
                    "Largest error that passes. Default: 5e-6 for f32, 1e-12 for f64. SING at learning rates of 0.1 or"
                            + " more needs 5e-5 in f32.")
    private Double tolerance;

    @Option(names = "--optimizer", paramLabel = "SPEC", description = "Optimizer in place of the one in the trace.")
    private String optimizer;

    @Option(
            names = "--out",
            paramLabel = "FILE",
            description = "Writes the final weights as safetensors, tensors weight/<name>; one trace only.")
    private Path out;

    @Option(
            names = "--json",
            paramLabel = "FILE",
            description = "Writes the result as JSON; for several traces an array, each with its file as \"trace\".")
    private Path json;

    @Override
    public Integer call() throws IOException {
        if (device.dtype() != device.dtype().arithmetic()) {
            throw new BadInput("--dtype " + DeviceOptions.word(device.dtype())
                    + ": traces have weights of full precision; pass f32 or f64");
        }
        double limit = tolerance();
        if (out != null && files.size() > 1) {
            throw new BadInput(
                    "--out takes the weights of one trace, not of " + files.size() + "; replay them one by one");
        }
        Output.check("--out", out);
        Output.check("--json", json);
        // Everything is read before anything runs: a damaged file should not cost the others' replay.
        List<Trace> traces = new ArrayList<>();
        List<Rule> rules = new ArrayList<>();
        for (Path file : files) {
            Trace trace = Trace.read(file);
            traces.add(trace);
            rules.add(rule(trace));
        }
        List<Comparison> comparisons = new ArrayList<>();
        try (Device target = device.open();
                Progress progress = new Progress(spec.commandLine().getErr())) {
            for (int i = 0; i < traces.size(); i++) {
                Comparison comparison =
                        Comparison.of(traces.get(i), rules.get(i), target, device.dtype(), out, progress);
                progress.clear();
                comparisons.add(comparison);
                print(comparison, limit);
            }
        }
        write(comparisons);
        List<Comparison> failed =
                comparisons.stream().filter(one -> !one.within(limit)).toList();
        PrintWriter text = spec.commandLine().getOut();
        if (comparisons.size() > 1) {
            text.printf(
                    Locale.ROOT,
                    "%d of %d traces within %.3g%n",
                    comparisons.size() - failed.size(),
                    comparisons.size(),
                    limit);
        }
        text.flush();
        return failed.isEmpty() ? 0 : Failures.DIFFERENT;
    }

    private double tolerance() {
        if (tolerance == null) {
            return device.dtype() == DType.F64 ? F64_TOLERANCE : F32_TOLERANCE;
        }
        if (!(tolerance >= 0)) {
            throw new BadInput("--tolerance " + tolerance + ": pass a number >= 0");
        }
        return tolerance;
    }

    private Rule rule(Trace trace) {
        String specification = optimizer != null ? optimizer : trace.optimizer();
        if (specification == null) {
            throw new BadInput(trace.file() + ": its metadata lacks 'optimizer'; pass --optimizer SPEC");
        }
        try {
            return Rule.parse(specification);
        } catch (SpecificationException wrong) {
            throw new BadInput(
                    (optimizer != null ? "--optimizer" : trace.file()) + ": " + Failures.describe(wrong), wrong);
        }
    }

    private void print(Comparison comparison, double limit) {
        PrintWriter text = spec.commandLine().getOut();
        text.println(comparison.trace().file() + ": " + comparison.optimizer());
        text.println("  " + comparison.trace().steps() + " steps in " + DeviceOptions.word(comparison.dtype()) + " on "
                + comparison.device()
                + (comparison.isa() == null ? "" : ", " + comparison.isa() + ", threads: " + comparison.threads()));
        int width = comparison.errors().keySet().stream()
                .mapToInt(String::length)
                .max()
                .orElse(0);
        width = Math.max(width, "overall".length());
        String row = "  %-" + width + "s  %11s  %s%n";
        text.printf(row, "tensor", "worst error", "sha256 of the final bits");
        for (String name : comparison.errors().keySet()) {
            text.printf(
                    row,
                    name,
                    error(comparison.errors().get(name)),
                    comparison.sha256().get(name));
        }
        text.printf(
                row,
                "overall",
                error(comparison.maxError()),
                (comparison.within(limit) ? "ok, within " : "FAILED, more than ") + error(limit));
        if (comparison.refused() != null) {
            text.println("  the optimizer refused " + comparison.refused());
        }
        text.flush();
    }

    private static String error(double value) {
        return String.format(Locale.ROOT, "%.3g", value);
    }

    private void write(List<Comparison> comparisons) throws IOException {
        if (comparisons.size() == 1) {
            Output.json(json, comparisons.getFirst().json());
            return;
        }
        JsonArray array = new JsonArray();
        for (Comparison comparison : comparisons) {
            JsonObject one = comparison.json();
            one.addProperty("trace", comparison.trace().file().toString());
            array.add(one);
        }
        Output.json(json, array);
    }
}
