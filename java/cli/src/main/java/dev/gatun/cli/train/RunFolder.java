package dev.gatun.cli.train;

import dev.gatun.cli.BadInput;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Comparator;
import java.util.stream.Stream;

/**
 * The folder a run writes to: settings, losses, checkpoints, chart and report.
 *
 * @param path where it is
 */
record RunFolder(Path path) {
    private static final Path RUNS = Path.of("runs");
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss");

    /** A folder for a new run: the one asked for, or {@code runs/<time>}. */
    static RunFolder create(Path asked) {
        Path path = asked != null ? asked : RUNS.resolve(LocalDateTime.now().format(TIME));
        RunFolder folder = new RunFolder(path);
        if (Files.exists(folder.settings())) {
            throw new BadInput(
                    "--out " + path + ": there is a run in it; go on with it by --resume, or pass another folder");
        }
        try {
            Files.createDirectories(path);
        } catch (IOException refused) {
            String reason = refused instanceof FileSystemException file && file.getReason() != null
                    ? file.getReason()
                    : Files.exists(path) ? "not a folder" : "access denied or not a possible name";
            throw new BadInput("--out " + path + ": cannot be created (" + reason + "); pass another folder", refused);
        }
        if (!Files.isWritable(path)) {
            throw new BadInput("--out " + path + ": not writable; check the permissions or pass another folder");
        }
        return folder;
    }

    /** The folder of a run to go on with: the one asked for, or the newest of {@code runs/}. */
    static RunFolder existing(Path asked) throws IOException {
        Path path = asked != null ? asked : newest();
        if (path == null || !Files.isRegularFile(new RunFolder(path).settings())) {
            String where =
                    path == null ? "no run in " + RUNS.toAbsolutePath() : path + ": no run in it (no run.properties)";
            throw new BadInput("--resume: " + where + "; pass the folder of a run with --out DIR");
        }
        return new RunFolder(path);
    }

    private static Path newest() throws IOException {
        if (!Files.isDirectory(RUNS)) {
            return null;
        }
        try (Stream<Path> folders = Files.list(RUNS)) {
            return folders.filter(folder -> Files.exists(new RunFolder(folder).settings()))
                    .max(Comparator.comparing((Path folder) ->
                            folder.resolve("run.properties").toFile().lastModified()))
                    .orElse(null);
        }
    }

    Path settings() {
        return path.resolve("run.properties");
    }

    Path steps() {
        return path.resolve("steps.csv");
    }

    Path losses() {
        return path.resolve("loss.png");
    }

    Path accuracies() {
        return path.resolve("accuracy.png");
    }

    Path report() {
        return path.resolve("report.md");
    }

    Path checkpoint(Entry entry) {
        return path.resolve(entry.name() + ".safetensors");
    }
}
