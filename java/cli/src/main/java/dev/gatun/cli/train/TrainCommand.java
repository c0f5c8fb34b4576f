package dev.gatun.cli.train;

import dev.gatun.Device;
import dev.gatun.cli.BadInput;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * The main job: a real network on a real text with one or several optimizers, from the same start over the same
 * batches.
 */
@Command(
        name = "train",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = {
            "Trains a character-level language model with several optimizers and compares them.",
            "Without options: on the Java sources of the running JDK, with " + Entry.DEFAULTS + ".",
            "Ctrl-C saves a checkpoint; --resume goes on from it, bit for bit."
        })
public final class TrainCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(
            names = "--model",
            paramLabel = "default|large|C,E,W,L",
            description =
                    "default: about 1 million parameters, batch 512. large: 4.3 million, batch 128; here the optimizer is"
                            + " a large part of a step. Or sizes: context, embedding, width, layers.")
    private String model;

    @Option(
            names = "--data",
            paramLabel = "FILE|DIR|ZIP",
            description = "UTF-8 text to train on. Default: module java.base in the JDK's lib/src.zip.")
    private Path data;

    @Option(
            names = "--optimizers",
            paramLabel = "\"SPEC; SPEC\"",
            description =
                    "What to train with. Default: \"" + Entry.DEFAULTS + "\"; for the large model sgd with lr=0.2.")
    private String optimizers;

    @Option(names = "--djl-adamw", description = "Adds DJL's own AdamW, as Trainer.step() runs it, for comparison.")
    private boolean djlAdamW;

    @Option(names = "--steps", paramLabel = "N", description = "Steps for each optimizer. Default: 1500.")
    private Integer steps;

    @Option(names = "--batch", paramLabel = "N", description = "Places in the text per step. Default: the model's.")
    private Integer batch;

    @Option(names = "--seed", paramLabel = "N", description = "Of starting weights and batches. Default: 7.")
    private Long seed;

    @Option(
            names = "--device",
            paramLabel = "cpu|cuda",
            defaultValue = "cpu",
            description = "Where optimizer steps run. Default: ${DEFAULT-VALUE}.")
    private Device.Kind device;

    @Option(
            names = "--threads",
            paramLabel = "N",
            defaultValue = "0",
            description =
                    "CPU threads, of passes and optimizer steps; they change no bit of the result. Default: all CPUs.")
    private int threads;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = "Folder for loss.png, steps.csv, report.md and checkpoints. Default: runs/<time>.")
    private Path out;

    @Option(
            names = "--resume",
            description = "Goes on with the run in --out DIR, by default the newest in runs/, with its settings.")
    private boolean resume;

    @Override
    public Integer call() throws IOException {
        return run(spec.commandLine().getOut(), spec.commandLine().getErr());
    }

    private int run(PrintWriter stdout, PrintWriter stderr) throws IOException {
        RunFolder folder = resume ? RunFolder.existing(out) : null;
        TrainSettings settings = resume ? resumed(folder) : settings();
        settings.entries(); // a mistake in a specification is said before anything else happens
        try (Device opened = open()) {
            Corpus corpus = Corpus.of(
                    settings.data() == null ? Documents.ofJdk() : Documents.of(settings.data()),
                    settings.model().context());
            if (resume) {
                requireSameText(folder, corpus);
            } else {
                folder = RunFolder.create(out);
                Files.writeString(folder.settings(), settings.text(corpus.fingerprint()));
            }
            String framework = Framework.start(threads, stderr);
            try (StopRequest stop = StopRequest.onShutdown()) {
                return new Training(settings, folder, opened, framework, stdout, stderr, Progress.onTerminal())
                        .run(corpus, stop);
            }
        }
    }

    private TrainSettings settings() {
        ModelShape shape = ModelShape.parse(model == null ? "default" : model);
        return new TrainSettings(
                shape,
                data == null ? null : data.toAbsolutePath().normalize(),
                optimizers == null ? shape.optimizers() : optimizers,
                djlAdamW,
                steps == null ? shape.steps() : steps,
                batch == null ? shape.batch() : batch,
                seed == null ? 7 : seed);
    }

    private TrainSettings resumed(RunFolder folder) throws IOException {
        List<String> given = new ArrayList<>();
        given(given, "--model", model);
        given(given, "--data", data);
        given(given, "--optimizers", optimizers);
        given(given, "--djl-adamw", djlAdamW ? true : null);
        given(given, "--steps", steps);
        given(given, "--batch", batch);
        given(given, "--seed", seed);
        if (!given.isEmpty()) {
            throw new BadInput(
                    "--resume takes the settings of the run it goes on with; leave out " + String.join(", ", given));
        }
        return TrainSettings.read(folder.settings());
    }

    private static void given(List<String> given, String option, Object value) {
        if (value != null) {
            given.add(option);
        }
    }

    private static void requireSameText(RunFolder folder, Corpus corpus) throws IOException {
        String before = TrainSettings.fingerprint(folder.settings());
        if (!before.equals(corpus.fingerprint())) {
            throw new BadInput(
                    "--resume: " + corpus.origin() + " is not the text that this run began with (fingerprint "
                            + corpus.fingerprint() + ", then " + before + "); use the same text, or the same JDK");
        }
    }

    private Device open() {
        if (threads < 0 || threads > 4096) {
            throw new BadInput("--threads " + threads + ": pass a number from 1 to 4096, or 0 for all CPUs");
        }
        if (device == Device.Kind.CPU) {
            return Device.cpu(threads);
        }
        Device.cuda(0).close(); // says why not, where there is no driver
        throw new UnsatisfiedLinkError(
                "--device cuda: PyTorch's CPU libraries do the passes, so weights and gradients are in"
                        + " host memory, where a CUDA device cannot step them in place; use --device cpu");
    }
}
