package dev.gatun.cli.train;

import dev.gatun.cli.BadInput;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.stream.Collectors;

/**
 * What decides the result of a run to the last bit. The number of threads is not here: it changes no bit.
 *
 * @param model the task with it
 * @param data what to train on, absolute; null for the task's own
 * @param optimizers specifications, separated by semicolons
 * @param djlAdamW whether DJL's own AdamW is a row, too
 * @param steps per optimizer
 * @param batch examples per step
 * @param seed of starting weights and batches
 */
record TrainSettings(
        ModelShape model, Path data, String optimizers, boolean djlAdamW, int steps, int batch, long seed) {
    /** Fewer steps of warm-up than this and SGD's learning rate of 0.5 throws the default model off. */
    private static final int WARMUP = 75;

    TrainSettings {
        range("--steps", steps, 1, 100_000_000);
        range("--batch", batch, 1, 65_536);
    }

    private static void range(String option, int value, int least, int most) {
        if (value < least || value > most) {
            throw new BadInput(option + " " + value + ": pass a number from " + least + " to " + most);
        }
    }

    /** Warm-up over 5 % of the steps, more in short runs, then half a cosine down to 0. */
    String schedule() {
        int warmup = Math.max(steps / 20, Math.min(WARMUP, steps / 3));
        return warmup == 0 ? "cosine" : "warmup(" + warmup + ")+cosine";
    }

    List<Entry> entries() {
        return Entry.parse(optimizers, djlAdamW);
    }

    /** One {@code key=value} line each, with the fingerprint of the data, for {@link #read}. */
    String text(String fingerprint) {
        return """
                # Settings of this run; gatun train --resume --out reads them.
                task=%s
                model=%s
                data=%s
                optimizers=%s
                djl-adamw=%s
                steps=%d
                batch=%d
                seed=%d
                fingerprint=%s
                """.formatted(
                        model.task().name().toLowerCase(Locale.ROOT),
                        model.name(),
                        data == null ? "" : escape(data.toString()),
                        optimizers,
                        djlAdamW,
                        steps,
                        batch,
                        seed,
                        fingerprint);
    }

    /** The settings in a run's file. */
    static TrainSettings read(Path file) throws IOException {
        Properties values = properties(file);
        try {
            String data = values.getProperty("data", "");
            return new TrainSettings(
                    model(values),
                    data.isEmpty() ? null : Path.of(data),
                    value(values, "optimizers"),
                    Boolean.parseBoolean(value(values, "djl-adamw")),
                    Integer.parseInt(value(values, "steps")),
                    Integer.parseInt(value(values, "batch")),
                    Long.parseLong(value(values, "seed")));
        } catch (IllegalArgumentException | BadInput damaged) {
            throw new BadInput(file + ": damaged (" + damaged.getMessage() + "); the run cannot be resumed", damaged);
        }
    }

    private static ModelShape model(Properties values) {
        // Runs from before there were tasks are of the only one there was.
        String task = values.getProperty("task", "text").toUpperCase(Locale.ROOT);
        return ModelShape.parse(ModelShape.Kind.valueOf(task), value(values, "model"));
    }

    /** The fingerprint of the data that the run began with. */
    static String fingerprint(Path file) throws IOException {
        return value(properties(file), "fingerprint");
    }

    private static Properties properties(Path file) throws IOException {
        Properties values = new Properties();
        values.load(new StringReader(Files.readString(file)));
        return values;
    }

    private static String value(Properties values, String key) {
        String value = values.getProperty(key);
        if (value == null) {
            throw new BadInput("no line " + key + "=");
        }
        return value;
    }

    private static String escape(String text) {
        return Arrays.stream(text.split("\\\\", -1)).collect(Collectors.joining("\\\\"));
    }
}
