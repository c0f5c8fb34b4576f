package dev.gatun.cli.train;

import java.io.IOException;

/** The training of one optimizer, from wherever its history ends to the last step, or until it is asked to stop. */
final class TrainingRun {
    /** How a run ended. */
    enum End {
        FINISHED,
        STOPPED,
        DIVERGED
    }

    /** Writes down everything that a resumed run needs. */
    @FunctionalInterface
    interface Saver {
        void save() throws IOException;
    }

    /** Validation losses and checkpoints on the way: this many, at equal distances, but not more often than that. */
    private static final int MARKS = 20;

    private static final int NEAREST = 25;

    private final Classifier model;
    private final Updater updater;
    private final Batches batches;
    private final TrainSettings settings;
    private final History history;
    private final int every;

    /**
     * A run from where the history ends.
     *
     * @param every steps between validations, see {@link #marks}
     */
    TrainingRun(
            Classifier model, Updater updater, Batches batches, TrainSettings settings, History history, int every) {
        this.model = model;
        this.updater = updater;
        this.batches = batches;
        this.settings = settings;
        this.history = history;
        this.every = every;
    }

    /** So many steps apart are validations and checkpoints that make a curve. */
    static int marks(int steps) {
        return Math.max(NEAREST, steps / MARKS);
    }

    /** Trains; {@code saver} is called at marks on the way, at the end, and before stopping. */
    End run(Progress progress, StopRequest stop, Saver saver) throws IOException {
        double validation = Double.NaN;
        while (history.size() < settings.steps()) {
            if (history.diverged()) {
                return End.DIVERGED;
            }
            if (stop.requested()) {
                saver.save();
                return End.STOPPED;
            }
            long step = history.size() + 1L;
            boolean mark = step % every == 0 || step == settings.steps();
            History.Step taken = step(step, mark);
            history.add(taken);
            validation = taken.validation() == Score.NONE
                    ? validation
                    : taken.validation().bits();
            progress.step(step, history.training(), validation);
            if (mark || history.diverged()) {
                saver.save();
            }
        }
        return history.diverged() ? End.DIVERGED : End.FINISHED;
    }

    private History.Step step(long step, boolean mark) {
        batches.draw(settings.seed(), step);
        long begin = System.nanoTime();
        double training = model.forwardBackward(batches);
        long middle = System.nanoTime();
        updater.step();
        long end = System.nanoTime();
        return new History.Step(
                step,
                updater.lr(step),
                training,
                mark ? model.evaluate(Part.VALIDATION, false) : Score.NONE,
                (middle - begin) / 1e6,
                (end - middle) / 1e6,
                updater.refusal() != null);
    }
}
