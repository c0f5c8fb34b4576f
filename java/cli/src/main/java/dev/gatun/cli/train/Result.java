package dev.gatun.cli.train;

/**
 * One row of the table.
 *
 * @param end how its training ended
 * @param validation on all that validation goes by, at the end
 * @param test the same on the test data
 * @param sha256 of the final weights
 */
record Result(Entry entry, History history, TrainingRun.End end, Score validation, Score test, String sha256) {
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
