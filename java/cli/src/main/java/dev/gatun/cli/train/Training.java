package dev.gatun.cli.train;

import ai.djl.training.optimizer.Optimizer;
import dev.gatun.Device;
import dev.gatun.Rule;
import dev.gatun.Schedule;
import dev.gatun.cli.BadInput;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** A whole run: each optimizer in turn from the same weights over the same batches, then the table and the files. */
final class Training {
    /** What a shell reports for a program that Ctrl-C ended. */
    static final int INTERRUPTED = 130;

    private final TrainSettings settings;
    private final RunFolder folder;
    private final Device device;
    private final String framework;
    private final PrintWriter out;
    private final PrintWriter err;
    private final boolean terminal;
    private final Map<String, History> histories = new LinkedHashMap<>();

    Training(
            TrainSettings settings,
            RunFolder folder,
            Device device,
            String framework,
            PrintWriter out,
            PrintWriter err,
            boolean terminal) {
        this.settings = settings;
        this.folder = folder;
        this.device = device;
        this.framework = framework;
        this.out = out;
        this.err = err;
        this.terminal = terminal;
    }

    /** Trains what is not finished yet; returns the exit code. */
    int run(Task task, StopRequest stop) throws IOException {
        List<Baseline> baselines = task.baselines();
        out.println(task.summary());
        out.printf("lines to beat, in bits per %s: %s%n", task.example(), lines(baselines));
        out.printf(
                "optimizer steps: %s, %d %s; passes: %s%n",
                device.name(),
                device.threads(),
                device.kind() == Device.Kind.CPU ? "threads" : "multiprocessors, by copies there and back",
                framework);
        out.flush();
        Map<String, History> before = StepsCsv.read(folder.steps());
        List<Result> results = new ArrayList<>();
        long parameters = 0;
        for (Entry entry : settings.entries()) {
            Rule rule = Rule.parse(entry.specification());
            Schedule schedule = Schedule.parse(settings.schedule(), settings.steps());
            try (Classifier model = model(task, rule, schedule);
                    Updater updater = updater(entry, model, rule, schedule)) {
                if (results.isEmpty()) {
                    parameters = model.parameters();
                    out.printf("model: %s, %,d parameters; %s%n", settings.model(), parameters, steps());
                    out.flush();
                }
                History history = resume(entry, updater, before.get(entry.name()));
                histories.put(entry.name(), history);
                TrainingRun.End end = train(entry, task, model, updater, history, stop);
                if (end == TrainingRun.End.STOPPED) {
                    say("stopped at step %,d of %,d of %s; go on with: ./gatun train --resume --out %s"
                            .formatted(history.size(), settings.steps(), entry.name(), folder.path()));
                    return INTERRUPTED;
                }
                Score validation = model.evaluate(Part.VALIDATION, true);
                Score test = model.evaluate(Part.TEST, true);
                results.add(new Result(entry, history, end, validation, test, model.sha256()));
            }
        }
        CurveChart.losses(task.example(), histories, baselines, settings.steps())
                .write(folder.losses());
        CurveChart.accuracies(histories, baselines, settings.steps()).write(folder.accuracies());
        Report.write(folder, new Report.Setting(settings, task, parameters, device, framework), results);
        out.println();
        out.print(ResultTable.text(ResultTable.rows(results, baselines)));
        results.stream().filter(result -> !result.remark().isEmpty()).forEach(result -> out.println(result.remark()));
        out.println();
        out.println("losses in bits per " + task.example() + "; files: " + folder.report() + ", "
                + folder.losses().getFileName() + ", " + folder.accuracies().getFileName() + ", "
                + folder.steps().getFileName()
                + " and a checkpoint per optimizer");
        out.flush();
        return 0;
    }

    private static String lines(List<Baseline> baselines) {
        return baselines.stream()
                .map(baseline ->
                        "%s %.3f".formatted(baseline.name(), baseline.score().bits()))
                .collect(Collectors.joining(", "));
    }

    private String steps() {
        return "%d optimizers, %,d steps each, batch %d, seed %d"
                .formatted(settings.entries().size(), settings.steps(), settings.batch(), settings.seed());
    }

    private Classifier model(Task task, Rule rule, Schedule schedule) {
        Optimizer own = DjlAdamW.optimizer(rule, schedule);
        return new Classifier(task, settings.batch(), settings.seed(), own);
    }

    private Updater updater(Entry entry, Classifier model, Rule rule, Schedule schedule) {
        return entry.framework()
                ? new DjlAdamW(model, rule, schedule)
                : new GatunUpdater(model.block(), device, rule, schedule);
    }

    /** Puts model and optimizer where the checkpoint has them; returns the history until there. */
    private History resume(Entry entry, Updater updater, History before) throws IOException {
        Path checkpoint = folder.checkpoint(entry);
        if (before == null || !Files.exists(checkpoint)) {
            return new History();
        }
        boolean over = before.size() == settings.steps() || before.diverged();
        if (!updater.resumable() && !over) {
            say(entry.name() + ": DJL cannot save an optimizer's state, so this one begins again");
            return new History();
        }
        long taken = updater.load(checkpoint);
        if (updater.resumable()) {
            // The losses are written before the checkpoint, so they may be some steps ahead of it, never behind.
            if (before.size() < taken) {
                throw new BadInput(folder.steps() + ": ends at step " + before.size() + " of " + entry.name()
                        + ", the checkpoint is at step " + taken + "; the run cannot be resumed, begin another one");
            }
            before.truncate(taken);
        }
        say(entry.name() + ": goes on after step %,d of %,d".formatted(before.size(), settings.steps()));
        return before;
    }

    private TrainingRun.End train(
            Entry entry, Task task, Classifier model, Updater updater, History history, StopRequest stop)
            throws IOException {
        Batches batches = task.batches(settings.batch());
        int every = TrainingRun.marks(settings.steps());
        TrainingRun run = new TrainingRun(model, updater, batches, settings, history, every);
        if (history.size() == settings.steps() || history.diverged()) {
            return history.diverged() ? TrainingRun.End.DIVERGED : TrainingRun.End.FINISHED;
        }
        try (Progress progress = Progress.of(err, terminal, entry.name(), history.size(), settings.steps())) {
            return run.run(progress, stop, () -> {
                StepsCsv.write(folder.steps(), histories);
                updater.save(folder.checkpoint(entry));
            });
        }
    }

    private void say(String line) {
        err.println(line);
        err.flush();
    }
}
