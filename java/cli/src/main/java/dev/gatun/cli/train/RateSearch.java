package dev.gatun.cli.train;

import dev.gatun.Device;
import dev.gatun.Rule;
import dev.gatun.cli.BadInput;
import dev.gatun.cli.Machine;
import dev.gatun.cli.Output;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * Searches the learning rates that {@code gatun train} uses where the user names no optimizers, by short runs on a
 * log-spaced grid. {@code bench/lr-search} runs it and puts the results where they are read from.
 */
@Command(
        name = "search-lr",
        hidden = true,
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = "Searches learning rates for gatun train by short runs on a log-spaced grid.")
public final class RateSearch implements Callable<Integer> {
    /**
     * What is compared by default, each with the rate that its search begins at. AdaL without its own decay of the
     * learning rate by sqrt(t) and AdaBelief without its rectification of the first steps: the schedule does both.
     */
    static final List<String> COMPARED = List.of(
            "sgd(lr=0.3, momentum=0.9)",
            "adamw(lr=0.003)",
            "adabelief(lr=0.003, rectify=false)",
            "sing(lr=0.03)",
            "adal(lr=0.003, sqrt_decay=false)",
            "insgd(lr=1)",
            "adapnm(lr=0.003)",
            "aida(lr=0.003)");

    /** The standard error of a validation loss on the way, in bits. */
    static final double NOISE = 0.03;

    @Spec
    private CommandSpec spec;

    @Option(names = "--task", paramLabel = "text|images", defaultValue = "text", description = "As in train.")
    private ModelShape.Kind task;

    @Option(names = "--model", paramLabel = "NAME", defaultValue = "default", description = "As in train.")
    private String model;

    @Option(names = "--data", paramLabel = "PATH", description = "As in train.")
    private Path data;

    @Option(names = "--steps", paramLabel = "N", defaultValue = "250", description = "Of each run. Default: 250.")
    private int steps;

    @Option(names = "--seed", paramLabel = "N", defaultValue = "7", description = "As in train. Default: 7.")
    private long seed;

    @Option(names = "--threads", paramLabel = "N", defaultValue = "0", description = "As in train.")
    private int threads;

    @Option(names = "--out", paramLabel = "DIR", required = true, description = "Folder for the two files.")
    private Path out;

    private final Map<String, LearningRates.Tried> known = new HashMap<>();

    @Override
    public Integer call() throws IOException {
        PrintWriter stdout = spec.commandLine().getOut();
        PrintWriter stderr = spec.commandLine().getErr();
        ModelShape shape = ModelShape.parse(task, model);
        TrainSettings settings =
                new TrainSettings(shape, data, String.join("; ", COMPARED), false, steps, shape.batch(), seed);
        if (!Files.isDirectory(out)) {
            throw new BadInput("--out " + out + ": not a folder; create it first");
        }
        try (Device device = Device.cpu(threads)) {
            Task loaded = shape.load(data);
            Framework.start(shape.threads(threads), stderr);
            stdout.println(loaded.summary());
            Path json = out.resolve(LearningRates.file(task, model));
            LearningRates none = new LearningRates(
                    LocalDate.now().toString(),
                    Machine.of(device),
                    task.name().toLowerCase(Locale.ROOT),
                    model,
                    // Where the data lie on this machine is nothing to publish.
                    data == null
                            ? loaded.summary()
                            : loaded.summary()
                                    .replace(data.toString(), data.getFileName().toString()),
                    steps,
                    settings.batch(),
                    seed,
                    settings.schedule(),
                    List.of());
            LearningRates before = LearningRates.read(json);
            known(before != null && before.comparable(none) ? before : none);
            List<LearningRates.Found> found = new ArrayList<>();
            for (Entry entry : settings.entries()) {
                LearningRates.Found best = search(entry, loaded, settings, device, stderr);
                stdout.println(best.optimizer());
                stdout.flush();
                found.add(best);
                LearningRates result = none.with(found);
                Output.json(json, Output.tree(result));
                Files.writeString(Path.of(json.toString().replace(".json", ".md")), markdown(result));
            }
            stdout.println(json);
        }
        return 0;
    }

    /** A run has the same result each time, so those of an earlier search with the same settings are taken from it. */
    private void known(LearningRates before) {
        for (LearningRates.Found found : before.results()) {
            Rule rule = Rule.parse(found.optimizer());
            found.rates().forEach(tried -> known.put(rule.withLr(tried.lr()).toString(), tried));
        }
    }

    private LearningRates.Found search(
            Entry entry, Task loaded, TrainSettings settings, Device device, PrintWriter stderr) throws IOException {
        Rule rule = Rule.parse(entry.specification());
        RateGrid grid = new RateGrid(rule.lr());
        List<LearningRates.Tried> tried = new ArrayList<>();
        for (double lr = grid.next(); !Double.isNaN(lr); lr = grid.next()) {
            String specification = rule.withLr(lr).toString();
            LearningRates.Tried run = known.get(specification);
            if (run == null) {
                Score score = run(rule.withLr(lr), loaded, settings, device, stderr);
                boolean finite = Double.isFinite(score.bits());
                run = new LearningRates.Tried(lr, finite ? score.bits() : null, finite ? score.accuracy() : null);
            }
            tried.add(run);
            grid.tried(lr, run.bits() == null ? Double.POSITIVE_INFINITY : run.bits());
        }
        tried.sort(Comparator.comparingDouble(LearningRates.Tried::lr));
        return new LearningRates.Found(rule.withLr(chosen(tried)).toString(), tried);
    }

    /**
     * The smallest rate as good as the best but for noise: where a short run cannot tell two rates apart, the larger one is
     * the more likely to harm a long one.
     */
    static double chosen(List<LearningRates.Tried> tried) {
        double best = tried.stream()
                .filter(run -> run.bits() != null)
                .mapToDouble(LearningRates.Tried::bits)
                .min()
                .orElseThrow();
        return tried.stream()
                .filter(run -> run.bits() != null && run.bits() <= best + NOISE)
                .mapToDouble(LearningRates.Tried::lr)
                .min()
                .orElseThrow();
    }

    private Score run(Rule rule, Task loaded, TrainSettings settings, Device device, PrintWriter stderr)
            throws IOException {
        History history = new History();
        try (StopRequest stop = StopRequest.onShutdown()) {
            TrainingRun.End end =
                    ShortRun.train(loaded, settings, rule, device, rule.toString(), stderr, stop, history);
            if (end == TrainingRun.End.STOPPED) {
                throw new BadInput("stopped; the optimizers finished so far are in " + out
                        + ", and are taken from there next time");
            }
            return end == TrainingRun.End.DIVERGED
                    ? Score.NONE
                    : history.steps().getLast().validation();
        }
    }

    private static String markdown(LearningRates result) {
        Machine machine = (Machine) result.machine();
        StringBuilder text =
                new StringBuilder("# Learning rates: %s, model %s\n\n".formatted(result.task(), result.model()));
        text.append("""
                Searched on %s on %s, %d cores, load average %.1f at the end; %s. %d steps of batch %d with seed %d, %s. Taken is the smallest \
                rate within %s bits of the best, which is the standard error of the loss: short runs favour large rates. One seed and \
                short runs: good enough to begin with, no ranking.

                | optimizer | taken | validation loss in bits at each learning rate |
                |---|---|---|
                """.formatted(
                        result.date(),
                        machine.cpu(),
                        machine.cores(),
                        machine.loadAverage(),
                        result.data(),
                        result.steps(),
                        result.batch(),
                        result.seed(),
                        result.schedule(),
                        NOISE));
        for (LearningRates.Found found : result.results()) {
            Rule rule = Rule.parse(found.optimizer());
            List<String> cells = new ArrayList<>();
            for (LearningRates.Tried tried : found.rates()) {
                String loss = tried.bits() == null ? "diverged" : ResultTable.bits(tried.bits());
                cells.add(tried.lr() + ": " + (tried.lr() == rule.lr() ? "**" + loss + "**" : loss));
            }
            text.append("| `%s` | %s | %s |\n".formatted(found.optimizer(), rule.lr(), String.join(", ", cells)));
        }
        return text.toString();
    }
}
