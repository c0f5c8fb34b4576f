package dev.gatun.cli.train;

import dev.gatun.Device;
import dev.gatun.Rule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** The file {@code report.md}: what was trained on what with what result, and how to do it again. */
final class Report {
    private Report() {}

    /** Everything but the results. */
    record Setting(TrainSettings settings, Task task, long parameters, Device device, String framework) {}

    static void write(RunFolder folder, Setting setting, List<Result> results) throws IOException {
        Files.writeString(folder.report(), text(folder, setting, results));
    }

    static String text(RunFolder folder, Setting setting, List<Result> results) {
        StringBuilder text = new StringBuilder("# Training run\n\n");
        text.append(
                ResultTable.markdown(ResultTable.rows(results, setting.task().baselines())));
        for (Result result : results) {
            text.append(result.remark().isEmpty() ? "" : "\n**" + result.remark() + "**\n");
        }
        text.append("""

                Losses are in bits per %s; "training" is the mean over the last 100 batches, "validation" and "test" are taken on \
                data not trained on, "right" is the share of it whose class gets the best score. "seconds" is forward, \
                backward and optimizer step, without evaluation and checkpoints; times per step are medians. The lines to beat are \
                validation losses of counting. **One run with one seed ranks nothing**: learning rates decide as much as \
                optimizers do.

                ![Losses over the steps](loss.png)

                ![Validation accuracy over the steps](accuracy.png)

                """.formatted(setting.task().example()));
        text.append("## The optimizers\n\n");
        results.stream()
                .map(result -> "* " + description(result.entry()) + "\n")
                .distinct()
                .forEach(text::append);
        text.append('\n').append(setting(setting));
        text.append(files(folder, results));
        return text.append("\n## Again\n\n```\n")
                .append(command(setting.settings()))
                .append("\n```\n")
                .toString();
    }

    private static String description(Entry entry) {
        String description = Rule.parse(entry.specification()).description();
        int name = description.indexOf(':');
        return (entry.framework() ? "**DJL's own " : "**") + description.substring(0, name) + "**"
                + description.substring(name) + ".";
    }

    private static String setting(Setting setting) {
        TrainSettings settings = setting.settings();
        Device device = setting.device();
        List<Task.Fact> facts = new ArrayList<>(setting.task().facts());
        facts.add(new Task.Fact(
                "model",
                "%s: %s, %,d parameters".formatted(settings.model().name(), settings.model(), setting.parameters())));
        facts.add(new Task.Fact(
                "steps",
                "%,d for each optimizer, batch %d, %s"
                        .formatted(settings.steps(), settings.batch(), settings.schedule())));
        facts.add(
                new Task.Fact("seed", settings.seed() + ": starting weights and batches, the same for each optimizer"));
        facts.add(new Task.Fact(
                "optimizer steps on",
                "%s (%s, %d threads)"
                        .formatted(
                                device.name(),
                                device.isa() == null
                                        ? "CUDA"
                                        : device.isa().name().toLowerCase(Locale.ROOT),
                                device.threads())));
        facts.add(new Task.Fact("forward and backward", setting.framework()));
        facts.add(new Task.Fact(
                "Java", System.getProperty("java.vm.vendor") + " " + System.getProperty("java.runtime.version")));
        StringBuilder text = new StringBuilder("## Setting\n\n| | |\n|---|---|\n");
        facts.forEach(fact -> text.append("| " + fact.name() + " | " + cell(fact.value()) + " |\n"));
        return text.toString();
    }

    private static String files(RunFolder folder, List<Result> results) {
        StringBuilder text = new StringBuilder("""

                ## Files

                `steps.csv` has every step. Checkpoints, and the SHA-256 of the weights in them (equal for equal bits only):

                | optimizer | checkpoint | SHA-256 of the weights |
                |---|---|---|
                """);
        for (Result result : results) {
            Path checkpoint = folder.checkpoint(result.entry()).getFileName();
            text.append("| %s | [%s](%s) | `%s` |\n"
                    .formatted(result.entry().title(), checkpoint, checkpoint, result.sha256()));
        }
        return text.toString();
    }

    /** The command line that gives the same losses and the same bits. */
    static String command(TrainSettings settings) {
        StringBuilder command = new StringBuilder("./gatun train --task %s --model %s"
                .formatted(
                        settings.model().task().name().toLowerCase(Locale.ROOT),
                        settings.model().name()));
        if (settings.data() != null) {
            command.append(" --data '").append(settings.data()).append('\'');
        }
        command.append(" --optimizers \"").append(settings.optimizers()).append('"');
        if (settings.djlAdamW()) {
            command.append(" --djl-adamw");
        }
        return command.append(" --steps %d --batch %d --seed %d"
                        .formatted(settings.steps(), settings.batch(), settings.seed()))
                .toString();
    }

    private static String cell(String text) {
        return text.replace("|", "\\|");
    }
}
