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

    /** Places of a validation on the way; the standard error of its mean is 0.03 bits, the same places for everyone. */
    private static final int PLACES = 10_240;

    private final CharModel model;
    private final Updater updater;
    private final Corpus corpus;
    private final Batches batches;
    private final TrainSettings settings;
    private final History history;

    TrainingRun(
            CharModel model, Updater updater, Corpus corpus, Batches batches, TrainSettings settings, History history) {
        this.model = model;
        this.updater = updater;
        this.corpus = corpus;
        this.batches = batches;
        this.settings = settings;
        this.history = history;
    }

    /** Trains; {@code saver} is called at marks on the way, at the end, and before stopping. */
    End run(Progress progress, StopRequest stop, Saver saver) throws IOException {
        int every = Math.max(NEAREST, settings.steps() / MARKS);
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
            validation = Double.isNaN(taken.validation()) ? validation : taken.validation();
            progress.step(step, history.training(), validation);
            if (mark || history.diverged()) {
                saver.save();
            }
        }
        return history.diverged() ? End.DIVERGED : End.FINISHED;
    }

    private History.Step step(long step, boolean mark) {
        batches.draw(corpus.training(), settings.seed(), step);
        long begin = System.nanoTime();
        double training = model.forwardBackward(batches);
        long middle = System.nanoTime();
        updater.step();
        long end = System.nanoTime();
        return new History.Step(
                step,
                updater.lr(step),
                training,
                mark ? model.evaluate(corpus.validation(), PLACES) : Double.NaN,
                (middle - begin) / 1e6,
                (end - middle) / 1e6,
                updater.refusal() != null);
    }
}
