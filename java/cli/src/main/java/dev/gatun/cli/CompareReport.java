package dev.gatun.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/**
 * What {@code gatun compare} found.
 *
 * @param measure what is ranked by
 * @param settings of the trials
 * @param ranked the best first, those without a result last
 */
record CompareReport(String measure, JsonObject settings, List<CompareGrid.Tried> ranked) {
    static CompareReport of(Trials trials, List<CompareGrid.Tried> tried) {
        List<CompareGrid.Tried> ranked = new ArrayList<>(tried);
        ranked.sort(Comparator.comparingDouble(one -> result(one.trial()))); // stable: in the grid's order where equal
        return new CompareReport(trials.measure(), trials.settings(), List.copyOf(ranked));
    }

    /** NaN behind everything, as infinity is. */
    private static double result(Trials.Trial trial) {
        return Double.isFinite(trial.result()) ? trial.result() : Double.POSITIVE_INFINITY;
    }

    String text() {
        int width = ranked.stream()
                .mapToInt(one -> one.trial().rule().toString().length())
                .max()
                .orElse(0);
        width = Math.max(width, "optimizer".length());
        StringBuilder text = new StringBuilder();
        StringBuilder header = new StringBuilder();
        header.append("rank  ").append(pad("optimizer", width)).append(right("learning rate", 15));
        header.append(right(measure, Math.max(12, measure.length() + 2)));
        List<String> more = ranked.isEmpty()
                ? List.of()
                : List.copyOf(ranked.getFirst().trial().more().keySet());
        more.forEach(name -> header.append(right(name, Math.max(12, name.length() + 2))));
        text.append(header).append('\n');
        for (int i = 0; i < ranked.size(); i++) {
            Trials.Trial trial = ranked.get(i).trial();
            StringBuilder row = new StringBuilder(right(Integer.toString(i + 1), 4)).append("  ");
            row.append(pad(trial.rule().toString(), width)).append(right(ScheduleCommand.number(trial.lr()), 15));
            row.append(right(number(trial.result()), Math.max(12, measure.length() + 2)));
            more.forEach(name -> row.append(right(number(trial.more().get(name)), Math.max(12, name.length() + 2))));
            row.append(trial.remark().isEmpty() ? "" : "  " + trial.remark());
            text.append(row).append('\n');
        }
        return text.toString();
    }

    /** Four digits, a dash for none. */
    private static String number(double value) {
        return Double.isFinite(value) ? String.format(Locale.ROOT, "%.4g", value) : "-";
    }

    private static String pad(String text, int width) {
        return text + " ".repeat(width - text.length());
    }

    private static String right(String text, int width) {
        return " ".repeat(Math.max(0, width - text.length())) + text;
    }

    JsonObject json() {
        JsonObject json = settings.deepCopy();
        json.addProperty("measure", measure);
        JsonArray results = new JsonArray();
        for (int i = 0; i < ranked.size(); i++) {
            Trials.Trial trial = ranked.get(i).trial();
            JsonObject row = new JsonObject();
            row.addProperty("rank", i + 1);
            row.addProperty("optimizer", trial.rule().toString());
            row.addProperty("lr", trial.lr());
            row.add("result", Output.number(trial.result()));
            trial.more().forEach((name, value) -> row.add(name.replace(' ', '_'), Output.number(value)));
            row.addProperty("remark", trial.remark());
            results.add(row);
        }
        json.add("results", results);
        return json;
    }
}
