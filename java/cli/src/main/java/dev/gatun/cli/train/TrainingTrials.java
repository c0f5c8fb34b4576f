package dev.gatun.cli.train;

import com.google.gson.JsonObject;
import dev.gatun.Device;
import dev.gatun.Rule;
import dev.gatun.cli.BadInput;
import dev.gatun.cli.Trials;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** Short trainings of one network from the same weights over the same batches, for {@code gatun compare}. */
public final class TrainingTrials implements Trials {
    private static final int STEPS = 100;
    private static final long SEED = 7;

    private final Task task;
    private final TrainSettings settings;
    private final Device device;
    private final PrintWriter err;
    private final StopRequest stop = StopRequest.onShutdown();

    private TrainingTrials(Task task, TrainSettings settings, Device device, PrintWriter err) {
        this.task = task;
        this.settings = settings;
        this.device = device;
        this.err = err;
    }

    /** Loads data and framework; null for what {@code gatun train} takes by default. */
    public static TrainingTrials open(
            String task,
            String model,
            Path data,
            Integer steps,
            Integer batch,
            Long seed,
            Device device,
            PrintWriter err)
            throws IOException {
        ModelShape shape = ModelShape.parse(kind(task), model == null ? "default" : model);
        TrainSettings settings = new TrainSettings(
                shape,
                data,
                "",
                false,
                steps == null ? STEPS : steps,
                batch == null ? shape.batch() : batch,
                seed == null ? SEED : seed);
        Task loaded = shape.load(data);
        Framework.start(shape.threads(device.kind() == Device.Kind.CPU ? device.threads() : 0), err);
        return new TrainingTrials(loaded, settings, device, err);
    }

    private static ModelShape.Kind kind(String task) {
        try {
            return task == null ? ModelShape.Kind.TEXT : ModelShape.Kind.valueOf(task.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException unknown) {
            throw new BadInput("--task " + task + ": pass text or images", unknown);
        }
    }

    @Override
    public String summary() {
        return "%s%nmodel: %s; %,d steps each, batch %d, seed %d, %s"
                .formatted(
                        task.summary(),
                        settings.model(),
                        settings.steps(),
                        settings.batch(),
                        settings.seed(),
                        settings.schedule());
    }

    @Override
    public String measure() {
        return "bits per " + task.example();
    }

    @Override
    public String optimizers() {
        return LearningRates.of(settings.model()).optimizers();
    }

    @Override
    public Trial run(Rule rule, String label) throws IOException {
        History history = new History();
        TrainingRun.End end = ShortRun.train(task, settings, rule, device, label, err, stop, history);
        if (end == TrainingRun.End.STOPPED) {
            return null;
        }
        boolean diverged = end == TrainingRun.End.DIVERGED;
        Score score = diverged ? Score.NONE : history.steps().getLast().validation();
        Map<String, Double> more = new LinkedHashMap<>();
        more.put("training", diverged ? Double.NaN : history.training());
        more.put("right", score.accuracy());
        String remark = diverged
                ? "diverged at step %,d".formatted(history.size())
                : history.refused() == 0 ? "" : "refused %,d steps".formatted(history.refused());
        return new Trial(rule, rule.lr(), score.bits(), more, remark);
    }

    @Override
    public JsonObject settings() {
        JsonObject json = new JsonObject();
        json.addProperty("task", settings.model().task().name().toLowerCase(Locale.ROOT));
        json.addProperty("model", settings.model().name());
        json.addProperty("steps", settings.steps());
        json.addProperty("batch", settings.batch());
        json.addProperty("seed", settings.seed());
        json.addProperty("schedule", settings.schedule());
        json.addProperty("device", device.kind().name().toLowerCase(Locale.ROOT));
        return json;
    }

    @Override
    public void close() {
        stop.close();
    }
}
