package dev.gatun.cli.train;

import dev.gatun.Device;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** The file {@code report.md}: what was trained on what with what result, and how to do it again. */
final class Report {
    private Report() {}

    /** Everything but the results. */
    record Setting(
            TrainSettings settings, Corpus corpus, long parameters, NGrams lines, Device device, String framework) {}

    static void write(RunFolder folder, Setting setting, List<Result> results) throws IOException {
        Files.writeString(folder.report(), text(folder, setting, results));
    }

    static String text(RunFolder folder, Setting setting, List<Result> results) {
        TrainSettings settings = setting.settings();
        Corpus corpus = setting.corpus();
        Device device = setting.device();
        StringBuilder text = new StringBuilder();
        text.append("# Training run\n\n");
        text.append(ResultTable.markdown(ResultTable.rows(results, setting.lines())));
        for (Result result : results) {
            text.append(result.remark().isEmpty() ? "" : "\n**" + result.remark() + "**\n");
        }
        text.append("""

                Losses are in bits per character; "training" is the mean over the last 100 batches, "validation" and "test" are \
                taken at %,d fixed places of texts not trained on. "seconds" is forward, backward and optimizer step, without \
                evaluation and checkpoints; times per step are medians. The lines to beat are validation losses of counting. \
                Learning rates decide a ranking as much as optimizers do: one run ranks nothing.

                ![Losses over the steps](loss.png)

                """.formatted(Result.PLACES));
        text.append("""
                ## Setting

                | | |
                |---|---|
                | text | %s: %,d texts |
                | characters | %,d training, %,d validation, %,d test; vocabulary %d |
                | model | %s: %s, %,d parameters |
                | steps | %,d for each optimizer, batch %d, %s |
                | seed | %d: starting weights and batches, the same for each optimizer |
                | optimizer steps on | %s (%s, %d threads) |
                | forward and backward | %s |
                | Java | %s |

                """.formatted(
                        cell(corpus.origin()),
                        corpus.documents(),
                        corpus.training().length,
                        corpus.validation().length,
                        corpus.test().length,
                        corpus.vocabulary(),
                        settings.model().name(),
                        settings.model(),
                        setting.parameters(),
                        settings.steps(),
                        settings.batch(),
                        settings.schedule(),
                        settings.seed(),
                        device.name(),
                        String.valueOf(device.isa()).toLowerCase(Locale.ROOT),
                        device.threads(),
                        setting.framework(),
                        System.getProperty("java.vm.vendor") + " " + System.getProperty("java.runtime.version")));
        text.append(
                "## Files\n\n`steps.csv` has every step. Checkpoints, and the SHA-256 of the weights in them (equal for"
                        + " equal bits only):\n\n| optimizer | checkpoint | SHA-256 of the weights |\n|---|---|---|\n");
        for (Result result : results) {
            Path checkpoint = folder.checkpoint(result.entry()).getFileName();
            text.append("| %s | [%s](%s) | `%s` |\n"
                    .formatted(result.entry().title(), checkpoint, checkpoint, result.sha256()));
        }
        text.append("\n## Again\n\n```\n").append(command(settings)).append("\n```\n");
        return text.toString();
    }

    /** The command line that gives the same losses and the same bits. */
    static String command(TrainSettings settings) {
        StringBuilder command =
                new StringBuilder("./gatun train --model " + settings.model().name());
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
