package dev.gatun.cli.train;

import dev.gatun.cli.BadInput;
import java.io.IOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The file {@code steps.csv}: every step of every optimizer, numbers written so that they read back as the same
 * doubles.
 */
final class StepsCsv {
    static final String HEADER =
            "optimizer,step,lr,training_bits,validation_bits,validation_accuracy,forward_backward_ms,optimizer_ms,refused";

    private StepsCsv() {}

    /** Writes aside and renames, so that whoever reads finds a whole file. */
    static void write(Path file, Map<String, History> histories) throws IOException {
        Path aside = file.resolveSibling(file.getFileName() + ".tmp");
        try (Writer out = Files.newBufferedWriter(aside)) {
            out.write(HEADER + "\n");
            for (Map.Entry<String, History> history : histories.entrySet()) {
                for (History.Step step : history.getValue().steps()) {
                    out.write(line(history.getKey(), step));
                }
            }
        }
        Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private static String line(String name, History.Step step) {
        return String.join(
                        ",",
                        name,
                        Long.toString(step.step()),
                        Double.toString(step.lr()),
                        Double.toString(step.training()),
                        optional(step.validation().bits()),
                        optional(step.validation().accuracy()),
                        Double.toString(step.forwardBackwardMs()),
                        Double.toString(step.optimizerMs()),
                        step.refused() ? "1" : "0")
                + "\n";
    }

    private static String optional(double value) {
        return Double.isNaN(value) ? "" : Double.toString(value);
    }

    private static double optional(String cell) {
        return cell.isEmpty() ? Double.NaN : Double.parseDouble(cell);
    }

    /** The histories in a file, by optimizer; none if there is no such file. */
    static Map<String, History> read(Path file) throws IOException {
        Map<String, History> histories = new LinkedHashMap<>();
        if (!Files.exists(file)) {
            return histories;
        }
        List<String> lines = Files.readAllLines(file);
        for (int i = 1; i < lines.size(); i++) {
            try {
                String[] cells = lines.get(i).split(",", -1);
                histories.computeIfAbsent(cells[0], name -> new History()).add(step(cells));
            } catch (RuntimeException damaged) {
                throw new BadInput(
                        file + " line " + (i + 1) + ": damaged (" + damaged.getMessage()
                                + "); the run cannot be resumed, begin another one",
                        damaged);
            }
        }
        return histories;
    }

    private static History.Step step(String[] cells) {
        return new History.Step(
                Long.parseLong(cells[1]),
                Double.parseDouble(cells[2]),
                Double.parseDouble(cells[3]),
                new Score(optional(cells[4]), optional(cells[5])),
                Double.parseDouble(cells[6]),
                Double.parseDouble(cells[7]),
                cells[8].equals("1"));
    }
}
