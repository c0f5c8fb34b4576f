package dev.gatun.cli;

import dev.gatun.DType;
import dev.gatun.Device;
import dev.gatun.Rule;
import dev.gatun.cli.train.TrainingTrials;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gatun compare}: a small grid of optimizers and learning rates, ranked. */
@Command(
        name = "compare",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        sortOptions = false,
        description = {
            "Tries optimizers at several learning rates and ranks them.",
            "With a TRACE: replays it, and ranks by how far the weights come from the recorded ones, as replay measures it.",
            "Without: trains the network of gatun train for a few steps, and ranks by the validation loss. One seed and a short"
                    + " run rank nothing for good; they find out which rates are out of question."
        })
final class CompareCommand implements Callable<Integer> {
    /** What a shell reports for a program that Ctrl-C ended. */
    private static final int INTERRUPTED = 130;

    @Spec
    private CommandSpec spec;

    @Parameters(arity = "0..1", paramLabel = "TRACE", description = "A recorded trace; without it, a training.")
    private Path trace;

    @Option(
            names = "--optimizers",
            paramLabel = "\"SPEC; SPEC\"",
            description = "What to compare. Default: those of gatun train; for a trace, the one it was recorded with.")
    private String optimizers;

    @Option(
            names = "--times",
            paramLabel = "X,X",
            split = ",",
            description = "Learning rates as multiples of each optimizer's own. Default: 0.3, 1 and 3.")
    private List<Double> times;

    @Option(names = "--rates", paramLabel = "X,X", split = ",", description = "Learning rates, the same for all.")
    private List<Double> rates;

    @Option(names = "--task", paramLabel = "text|images", description = "As in train. Default: text.")
    private String task;

    @Option(names = "--model", paramLabel = "NAME|SIZES", description = "As in train.")
    private String model;

    @Option(names = "--data", paramLabel = "PATH", description = "As in train.")
    private Path data;

    @Option(names = "--steps", paramLabel = "N", description = "Of each training. Default: 100.")
    private Integer steps;

    @Option(names = "--batch", paramLabel = "N", description = "Examples per step. Default: the model's.")
    private Integer batch;

    @Option(names = "--seed", paramLabel = "N", description = "Of starting weights and batches. Default: 7.")
    private Long seed;

    @Mixin
    private DeviceOptions device;

    @Option(names = "--json", paramLabel = "FILE", description = "Writes the results as JSON.")
    private Path json;

    @Option(names = "--png", paramLabel = "FILE", description = "Draws the results over the learning rates.")
    private Path png;

    @Override
    public Integer call() throws IOException {
        Output.check("--json", json);
        Output.check("--png", png);
        requireOptionsFit();
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter err = spec.commandLine().getErr();
        Trace recorded = trace == null ? null : Trace.read(trace);
        if (optimizers != null) {
            CompareGrid.of(optimizers, times, rates); // a mistake in it is said before anything else happens
        }
        try (Device opened = device.open();
                Trials trials = recorded != null
                        ? new TraceTrials(recorded, opened, device.dtype(), err)
                        : TrainingTrials.open(task, model, data, steps, batch, seed, opened, err)) {
            out.println(trials.summary());
            out.flush();
            List<CompareGrid.Cell> grid =
                    CompareGrid.of(optimizers == null ? trials.optimizers() : optimizers, times, rates);
            List<CompareGrid.Tried> tried = new ArrayList<>();
            for (CompareGrid.Cell cell : grid) {
                Rule rule = cell.rule();
                Trials.Trial trial = trials.run(rule, "%d of %d: %s".formatted(tried.size() + 1, grid.size(), rule));
                if (trial == null) {
                    break;
                }
                tried.add(new CompareGrid.Tried(cell, trial));
            }
            CompareReport report = CompareReport.of(trials, tried);
            out.println();
            out.print(report.text());
            out.flush();
            Output.json(json, report.json());
            if (png != null) {
                CompareChart.write(report, png);
            }
            return tried.size() == grid.size() ? 0 : INTERRUPTED;
        }
    }

    private void requireOptionsFit() {
        if (times != null && rates != null) {
            throw new BadInput("--times and --rates contradict each other; pass one of them");
        }
        if (trace == null && device.dtype() != DType.F32) {
            throw new BadInput(
                    "--dtype " + DeviceOptions.word(device.dtype()) + ": a training has f32; leave --dtype out");
        }
        if (device.dtype() != device.dtype().arithmetic()) {
            throw new BadInput("--dtype " + DeviceOptions.word(device.dtype())
                    + ": traces have weights of full precision; pass f32 or f64");
        }
        List<String> ofTraining = new ArrayList<>();
        given(ofTraining, "--task", task);
        given(ofTraining, "--model", model);
        given(ofTraining, "--data", data);
        given(ofTraining, "--steps", steps);
        given(ofTraining, "--batch", batch);
        given(ofTraining, "--seed", seed);
        if (trace != null && !ofTraining.isEmpty()) {
            throw new BadInput(String.join(", ", ofTraining) + ": not for the trace " + trace
                    + ", which has its own data and steps; leave it out");
        }
    }

    private static void given(List<String> options, String option, Object value) {
        if (value != null) {
            options.add(option);
        }
    }
}
