package dev.gatun.cli;

import dev.gatun.Rule;
import java.util.ArrayList;
import java.util.List;

/** The grid of {@code gatun compare}. */
final class CompareGrid {
    private static final List<Double> TIMES = List.of(0.3, 1.0, 3.0);

    private CompareGrid() {}

    /**
     * One optimizer at one rate.
     *
     * @param optimizer as the user wrote it: a row of the grid
     */
    record Cell(Rule optimizer, double lr) {
        Rule rule() {
            return optimizer.withLr(lr);
        }
    }

    /** What came of it. */
    record Tried(Cell cell, Trials.Trial trial) {}

    /**
     * Every optimizer at every rate.
     *
     * @param times multiples of each optimizer's own rate; null for the default
     * @param rates the same for all, in place of multiples; may be null
     */
    static List<Cell> of(String optimizers, List<Double> times, List<Double> rates) {
        List<Cell> cells = new ArrayList<>();
        for (String text : optimizers.split(";")) {
            if (text.isBlank()) {
                continue;
            }
            Rule rule = Rule.parse(text.strip());
            for (double number : rates != null ? rates : times != null ? times : TIMES) {
                if (!(number >= 0 && number <= Double.MAX_VALUE)) {
                    throw new BadInput(
                            (rates != null ? "--rates " : "--times ") + number + ": pass numbers >= 0 and finite");
                }
                // 0.003 times 3 is 0.009, and not what it is in binary
                double lr = rates != null ? number : round(rule.lr() * number);
                cells.add(new Cell(rule, lr));
            }
        }
        if (cells.isEmpty()) {
            throw new BadInput(
                    "--optimizers: no optimizer in \"" + optimizers + "\"; pass for example \"adamw(lr=0.003); sing\"");
        }
        return cells;
    }

    private static double round(double lr) {
        return Double.parseDouble("%.6e".formatted(lr).replace(',', '.'));
    }
}
