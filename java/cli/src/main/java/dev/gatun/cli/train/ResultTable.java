package dev.gatun.cli.train;

import java.util.ArrayList;
import java.util.List;

/** The results as rows of text, for the terminal and for the report. */
final class ResultTable {
    static final List<String> HEADER = List.of(
            "optimizer",
            "training",
            "validation",
            "test",
            "validation right",
            "test right",
            "seconds",
            "optimizer ms/step",
            "share of step");

    private ResultTable() {}

    /** A row for each optimizer, then the lines to beat; losses in bits. */
    static List<List<String>> rows(List<Result> results, List<Baseline> baselines) {
        List<List<String>> rows = new ArrayList<>();
        for (Result result : results) {
            History history = result.history();
            rows.add(List.of(
                    result.entry().title(),
                    bits(history.training()),
                    bits(result.validation().bits()),
                    bits(result.test().bits()),
                    percent(result.validation().accuracy()),
                    percent(result.test().accuracy()),
                    "%.1f".formatted(history.seconds()),
                    "%.3f".formatted(history.optimizerMs()),
                    percent(history.share())));
        }
        for (Baseline baseline : baselines) {
            Score score = baseline.score();
            String right = Double.isNaN(score.accuracy()) ? "" : percent(score.accuracy());
            rows.add(List.of("to beat: " + baseline.name(), "", bits(score.bits()), "", right, "", "", "", ""));
        }
        return rows;
    }

    private static String percent(double share) {
        return "%.1f %%".formatted(100 * share);
    }

    /** Three digits; a loss that is no number any more is a dash. */
    static String bits(double bits) {
        return !Double.isFinite(bits) ? "-" : (bits < 1000 ? "%.3f" : "%.1e").formatted(bits);
    }

    /** Columns as wide as their widest cell: names to the left, numbers to the right. */
    static String text(List<List<String>> rows) {
        int[] widths = new int[HEADER.size()];
        List<List<String>> all = new ArrayList<>(List.of(HEADER));
        all.addAll(rows);
        for (List<String> row : all) {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], row.get(i).length());
            }
        }
        StringBuilder text = new StringBuilder();
        for (List<String> row : all) {
            StringBuilder line = new StringBuilder();
            for (int i = 0; i < widths.length; i++) {
                String pad = " ".repeat(widths[i] - row.get(i).length());
                line.append(i == 0 ? row.get(i) + pad : "  " + pad + row.get(i));
            }
            text.append(line.toString().stripTrailing()).append('\n');
        }
        return text.toString();
    }

    static String markdown(List<List<String>> rows) {
        StringBuilder text = new StringBuilder();
        text.append("| ").append(String.join(" | ", HEADER)).append(" |\n");
        text.append("|---|").append("---:|".repeat(HEADER.size() - 1)).append('\n');
        rows.forEach(row -> text.append("| ").append(String.join(" | ", row)).append(" |\n"));
        return text.toString();
    }
}
