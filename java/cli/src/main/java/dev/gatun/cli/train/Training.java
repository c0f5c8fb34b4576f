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
    int run(Corpus corpus, StopRequest stop) throws IOException {
        NGrams lines = NGrams.of(corpus.training(), corpus.validation(), corpus.vocabulary());
        out.printf(
                "text: %s: %,d texts, %,d characters to train on, vocabulary %d%n",
                corpus.origin(), corpus.documents(), corpus.training().length, corpus.vocabulary());
        out.printf(
                "lines to beat, in bits per character: unigram %.3f, bigram %.3f, trigram %.3f%n",
                lines.unigram(), lines.bigram(), lines.trigram());
        out.printf("optimizer steps: %s, %d threads; passes: %s%n", device.name(), device.threads(), framework);
        out.flush();
        Map<String, History> before = StepsCsv.read(folder.steps());
        List<Result> results = new ArrayList<>();
        long parameters = 0;
        for (Entry entry : settings.entries()) {
            Batches batches = new Batches(settings.batch(), settings.model().context());
            Rule rule = Rule.parse(entry.specification());
            Schedule schedule = Schedule.parse(settings.schedule(), settings.steps());
            try (CharModel model = model(corpus, rule, schedule);
                    Updater updater = updater(entry, model, rule, schedule)) {
                if (results.isEmpty()) {
                    parameters = model.parameters();
                    out.printf("model: %s, %,d parameters; %s%n", settings.model(), parameters, steps());
                    out.flush();
                }
                History history = resume(entry, updater, before.get(entry.name()));
                histories.put(entry.name(), history);
                TrainingRun.End end = train(entry, model, updater, corpus, batches, history, stop);
                if (end == TrainingRun.End.STOPPED) {
                    say("stopped at step %,d of %,d of %s; go on with: ./gatun train --resume --out %s"
                            .formatted(history.size(), settings.steps(), entry.name(), folder.path()));
                    return INTERRUPTED;
                }
                double validation = model.evaluate(corpus.validation(), Result.PLACES);
                double test = model.evaluate(corpus.test(), Result.PLACES);
                results.add(new Result(entry, history, end, validation, test, model.sha256()));
            }
        }
        LossChart.write(folder.chart(), histories, lines, settings.steps());
        Report.write(folder, new Report.Setting(settings, corpus, parameters, lines, device, framework), results);
        out.println();
        out.print(ResultTable.text(ResultTable.rows(results, lines)));
        results.stream().filter(result -> !result.remark().isEmpty()).forEach(result -> out.println(result.remark()));
        out.println();
        out.println("losses in bits per character; files: " + folder.report() + ", "
                + folder.chart().getFileName() + ", " + folder.steps().getFileName()
                + " and a checkpoint per optimizer");
        out.flush();
        return 0;
    }

    private String steps() {
        return "%d optimizers, %,d steps each, batch %d, seed %d"
                .formatted(settings.entries().size(), settings.steps(), settings.batch(), settings.seed());
    }

    private CharModel model(Corpus corpus, Rule rule, Schedule schedule) {
        Optimizer own = DjlAdamW.optimizer(rule, schedule);
        return new CharModel(settings.model(), corpus.vocabulary(), settings.batch(), settings.seed(), own);
    }

    private Updater updater(Entry entry, CharModel model, Rule rule, Schedule schedule) {
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
            Entry entry,
            CharModel model,
            Updater updater,
            Corpus corpus,
            Batches batches,
            History history,
            StopRequest stop)
            throws IOException {
        TrainingRun run = new TrainingRun(model, updater, corpus, batches, settings, history);
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
