package dev.gatun.cli;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonPrimitive;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Files that a command writes: checked before the work starts, so that a wrong path does not cost a measurement. */
public final class Output {
    private static final Gson GSON = new GsonBuilder()
            .setPrettyPrinting()
            .serializeNulls()
            .disableHtmlEscaping()
            .create();

    private Output() {}

    /** Refuses a path that cannot be written later. {@code null} means that nothing is to be written. */
    public static void check(String option, Path file) {
        if (file == null) {
            return;
        }
        if (Files.isDirectory(file)) {
            throw new BadInput(option + " " + file + ": this is a directory; pass the name of a file");
        }
        Path folder = file.toAbsolutePath().getParent();
        if (folder == null || !Files.isDirectory(folder)) {
            throw new BadInput(option + " " + file + ": the directory " + folder + " is not there; create it first");
        }
        if (!Files.isWritable(Files.exists(file) ? file : folder)) {
            throw new BadInput(option + " " + file + ": not writable; check the permissions");
        }
    }

    public static void json(Path file, JsonElement value) throws IOException {
        if (file != null) {
            Files.writeString(file, text(value) + "\n");
        }
    }

    public static String text(JsonElement value) {
        return GSON.toJson(value);
    }

    public static JsonElement tree(Object value) {
        return GSON.toJsonTree(value);
    }

    /** JSON has no NaN and no infinity: they become null, which no comparison takes for a small number. */
    public static JsonElement number(double value) {
        return Double.isFinite(value) ? new JsonPrimitive(value) : JsonNull.INSTANCE;
    }
}
