package dev.gatun.cli;

import java.util.Locale;

/** A curve in characters, for a terminal. */
final class ScheduleSketch {
    private static final int COLUMNS = 72;
    private static final int ROWS = 12;

    private ScheduleSketch() {}

    /** A column for every few steps, with a mark in each row that the rates of those steps pass through. */
    static String of(double[] rates) {
        double top = 0;
        for (double rate : rates) {
            top = Math.max(top, rate);
        }
        int columns = Math.min(COLUMNS, rates.length);
        char[][] rows = new char[ROWS][];
        for (int row = 0; row < ROWS; row++) {
            rows[row] = " ".repeat(columns).toCharArray();
        }
        for (int column = 0; column < columns; column++) {
            int from = (int) ((long) rates.length * column / columns);
            int to = (int) ((long) rates.length * (column + 1) / columns);
            int highest = 0;
            int lowest = ROWS - 1;
            for (int i = from; i < to; i++) {
                int row = top == 0 ? 0 : (int) Math.round(rates[i] / top * (ROWS - 1));
                highest = Math.max(highest, row);
                lowest = Math.min(lowest, row);
            }
            for (int row = lowest; row <= highest; row++) {
                rows[row][column] = '*';
            }
        }
        StringBuilder text = new StringBuilder();
        for (int row = ROWS - 1; row >= 0; row--) {
            String label = row == ROWS - 1 ? ScheduleCommand.number(top) : row == 0 ? "0" : "";
            text.append((" ".repeat(13 - label.length()) + label + " |" + new String(rows[row])).stripTrailing())
                    .append('\n');
        }
        String last = String.format(Locale.ROOT, "%,d", rates.length);
        text.append(" ".repeat(13)).append(" +").append("-".repeat(columns)).append('\n');
        text.append(" ".repeat(15)).append('1');
        return text.append(" ".repeat(Math.max(1, columns - 1 - last.length())))
                .append(rates.length == 1 ? "" : last)
                .toString()
                .stripTrailing()
                .concat("\n");
    }
}
