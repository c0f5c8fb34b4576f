package dev.gatun.cli.train;

/**
 * One row of the table.
 *
 * @param end how its training ended
 * @param validation bits per character of the validation text at the end
 * @param test bits per character of the test text
 * @param sha256 of the final weights
 */
record Result(Entry entry, History history, TrainingRun.End end, double validation, double test, String sha256) {
    /** Places that the final losses are measured at; the standard error of their mean is 0.015 bits. */
    static final int PLACES = 51_200;

    /** What a reader has to know before comparing this row, or nothing. */
    String remark() {
        if (end == TrainingRun.End.DIVERGED) {
            return "%s diverged at step %,d: lower its learning rate, or pass more steps (the warm-up is 5 %% of them)"
                    .formatted(entry.title(), history.size());
        }
        return history.refused() == 0
                ? ""
                : "%s refused %,d steps for a NaN or an infinity in a gradient"
                        .formatted(entry.title(), history.refused());
    }
}
