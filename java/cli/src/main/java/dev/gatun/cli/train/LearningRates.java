package dev.gatun.cli.train;

import com.google.gson.Gson;
import com.google.gson.JsonParseException;
import dev.gatun.cli.BadInput;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * What a {@link RateSearch} tried for a network and what it found: the source of the optimizers that are trained with
 * where the user does not say.
 *
 * @param date when it was searched
 * @param machine what it was searched on
 * @param task text or images
 * @param model the network's name
 * @param data what it was trained on
 * @param steps of each run
 * @param batch examples per step
 * @param seed of starting weights and batches
 * @param schedule of the learning rate
 * @param results for each optimizer
 */
record LearningRates(
        String date,
        Object machine,
        String task,
        String model,
        String data,
        int steps,
        int batch,
        long seed,
        String schedule,
        List<Found> results) {
    /**
     * One optimizer.
     *
     * @param optimizer its specification with the best rate
     * @param rates what was tried, by learning rate
     */
    record Found(String optimizer, List<Tried> rates) {}

    /**
     * One run.
     *
     * @param bits validation loss at the end, null for a run that diverged
     * @param accuracy at the end, null for a run that diverged
     */
    record Tried(double lr, Double bits, Double accuracy) {}

    /** The committed search for a network; of the task's default one for sizes that the user made up. */
    static LearningRates of(ModelShape model) {
        LearningRates own = read(file(model.task(), model.name()));
        return own != null ? own : read(file(model.task(), "default"));
    }

    /** The name of a search's file. */
    static String file(ModelShape.Kind task, String model) {
        return "learning-rates-" + task.name().toLowerCase(Locale.ROOT) + "-" + model + ".json";
    }

    /** A search in a file; null if there is none. */
    static LearningRates read(Path file) throws IOException {
        if (!Files.exists(file)) {
            return null;
        }
        try (Reader reader = Files.newBufferedReader(file)) {
            return new Gson().fromJson(reader, LearningRates.class);
        } catch (JsonParseException damaged) {
            throw new BadInput(file + ": damaged (" + damaged.getMessage() + "); remove it and search again", damaged);
        }
    }

    /** The same with results. */
    LearningRates with(List<Found> results) {
        return new LearningRates(date, machine, task, model, data, steps, batch, seed, schedule, List.copyOf(results));
    }

    /** Whether a run of the other search would have done the same. */
    boolean comparable(LearningRates other) {
        return task.equals(other.task)
                && model.equals(other.model)
                && data.equals(other.data)
                && steps == other.steps
                && batch == other.batch
                && seed == other.seed
                && schedule.equals(other.schedule);
    }

    private static LearningRates read(String name) {
        try (InputStream in = LearningRates.class.getResourceAsStream(name)) {
            if (in == null) {
                return null;
            }
            Reader reader = new InputStreamReader(in, StandardCharsets.UTF_8);
            return new Gson().fromJson(reader, LearningRates.class);
        } catch (IOException | JsonParseException damaged) {
            throw new AssertionError("the resource " + name + " is damaged", damaged);
        }
    }

    /** Specifications as {@code --optimizers} takes them. */
    String optimizers() {
        return results.stream().map(Found::optimizer).collect(Collectors.joining("; "));
    }
}
