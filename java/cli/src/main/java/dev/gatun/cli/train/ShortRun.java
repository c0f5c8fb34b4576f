package dev.gatun.cli.train;

import dev.gatun.Device;
import dev.gatun.Rule;
import dev.gatun.Schedule;
import java.io.IOException;
import java.io.PrintWriter;

/** A training that leaves nothing behind but its history, validated once, at its end. */
final class ShortRun {
    private ShortRun() {}

    /** Trains a network from the settings' seed; fills {@code history}. */
    static TrainingRun.End train(
            Task task,
            TrainSettings settings,
            Rule rule,
            Device device,
            String label,
            PrintWriter err,
            StopRequest stop,
            History history)
            throws IOException {
        Schedule schedule = Schedule.parse(settings.schedule(), settings.steps());
        try (Classifier classifier =
                        new Classifier(task, settings.batch(), settings.seed(), DjlAdamW.optimizer(rule, schedule));
                Updater updater = new GatunUpdater(classifier.block(), device, rule, schedule);
                Progress progress = Progress.of(err, Progress.onTerminal(), label, 0, settings.steps())) {
            return new TrainingRun(
                            classifier, updater, task.batches(settings.batch()), settings, history, settings.steps())
                    .run(progress, stop, () -> {});
        }
    }
}
