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
 * The main job: a real network on real data with one or several optimizers, from the same start over the same batches.
 */
@Command(
        name = "train",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = {
            "Trains a network with several optimizers, from the same weights over the same batches, and compares them.",
            "Without options: a character-level language model, on the Java sources of the running JDK, with sgd, adamw,"
                    + " adabelief, sing, adal, insgd, adapnm and aida, each with the learning rate of a search"
                    + " (bench/results).",
            "Ctrl-C saves a checkpoint; --resume goes on from it, bit for bit."
        })
public final class TrainCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Option(
            names = "--task",
            paramLabel = "text|images",
            description = "text: guess the next character. images: tell their classes by a small convolutional"
                    + " network; needs --data. Default: text.")
    private ModelShape.Kind task;

    @Option(
            names = "--quick",
            description = "So few steps that all default optimizers need less than two minutes on two CPUs.")
    private boolean quick;

    @Option(
            names = "--model",
            paramLabel = "NAME|SIZES",
            description = {
                "Text: default (about 1 million parameters, batch 512), large (4.3 million, batch 128; here the optimizer"
                        + " is a large part of a step), or CONTEXT,EMBEDDING,WIDTH,LAYERS.",
                "Images: default (16 and 32 filters, then 64 units, batch 64), or FILTERS,...,UNITS."
            })
    private String model;

    @Option(
            names = "--data",
            paramLabel = "FILE|DIR|ZIP",
            description = {
                "Text: UTF-8 text; by default module java.base in the JDK's lib/src.zip.",
                "Images: a folder with the files of MNIST or Fashion-MNIST (train-images-idx3-ubyte and so on, plain or"
                        + " .gz, images of any size), or of CIFAR-10's binary version."
            })
    private Path data;

    @Option(
            names = "--optimizers",
            paramLabel = "\"SPEC; SPEC\"",
            description = "What to train with, such as \"sgd(lr=0.3, momentum=0.9); sing\". ./gatun info lists all.")
    private String optimizers;

    @Option(names = "--djl-adamw", description = "Adds DJL's own AdamW, as Trainer.step() runs it, for comparison.")
    private boolean djlAdamW;

    @Option(
            names = "--steps",
            paramLabel = "N",
            description = "Steps for each optimizer. Default: text 1500, images 1000; with --quick 300 and 250.")
    private Integer steps;

    @Option(names = "--batch", paramLabel = "N", description = "Examples per step. Default: the model's.")
    private Integer batch;

    @Option(names = "--seed", paramLabel = "N", description = "Of starting weights and batches. Default: 7.")
    private Long seed;

    @Option(
            names = "--device",
            paramLabel = "cpu|cuda",
            defaultValue = "cpu",
            description =
                    "Where optimizer steps run. The passes are the CPU's: for cuda gradients and weights cross at every"
                            + " step. Default: ${DEFAULT-VALUE}.")
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
            description =
                    "Folder for loss.png, accuracy.png, steps.csv, report.md and checkpoints. Default: runs/<time>.")
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
            Task loaded = settings.model().load(settings.data());
            if (resume) {
                requireSameData(folder, loaded);
            } else {
                folder = RunFolder.create(out);
                Files.writeString(folder.settings(), settings.text(loaded.fingerprint()));
            }
            String framework = Framework.start(settings.model().threads(threads), stderr);
            try (StopRequest stop = StopRequest.onShutdown()) {
                return new Training(settings, folder, opened, framework, stdout, stderr, Progress.onTerminal())
                        .run(loaded, stop);
            }
        }
    }

    private TrainSettings settings() {
        ModelShape shape =
                ModelShape.parse(task == null ? ModelShape.Kind.TEXT : task, model == null ? "default" : model);
        if (quick && steps != null) {
            throw new BadInput("--quick and --steps " + steps + " contradict each other; pass one of them");
        }
        return new TrainSettings(
                shape,
                data == null ? null : data.toAbsolutePath().normalize(),
                optimizers == null ? LearningRates.of(shape).optimizers() : optimizers,
                djlAdamW,
                steps != null ? steps : quick ? shape.quickSteps() : shape.steps(),
                batch == null ? shape.batch() : batch,
                seed == null ? 7 : seed);
    }

    private TrainSettings resumed(RunFolder folder) throws IOException {
        List<String> given = new ArrayList<>();
        given(given, "--task", task);
        given(given, "--quick", quick ? true : null);
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

    private static void requireSameData(RunFolder folder, Task task) throws IOException {
        String before = TrainSettings.fingerprint(folder.settings());
        if (!before.equals(task.fingerprint())) {
            throw new BadInput("--resume: not the data that this run began with (fingerprint " + task.fingerprint()
                    + ", then " + before + "; now " + task.summary() + "); use the same data, or the same JDK");
        }
    }

    private Device open() {
        if (threads < 0 || threads > 4096) {
            throw new BadInput("--threads " + threads + ": pass a number from 1 to 4096, or 0 for all CPUs");
        }
        if (device == Device.Kind.CPU) {
            return Device.cpu(threads);
        }
        return Device.cuda(0); // says why not, where there is no driver
    }
}
