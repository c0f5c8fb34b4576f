package dev.gatun.cli;

import dev.gatun.Checkpoint;
import dev.gatun.PyTorchCheckpoint;
import dev.gatun.Rule;
import dev.gatun.Safetensors;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gatun checkpoint convert}: from Gatun's names to PyTorch's, and back. */
@Command(
        name = "convert",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        sortOptions = false,
        description = {
            "Writes a checkpoint under PyTorch's names, or makes one of files under those names: layer.weight,"
                    + " state.layer.weight.exp_avg, state.layer.weight.exp_avg_sq, state.layer.weight.momentum_buffer,"
                    + " state.layer.weight.step, all in safetensors.",
            "Which way is seen from the input. Nothing is written unless everything fits."
        })
final class CheckpointConvert implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(
            arity = "2..*",
            paramLabel = "FILE",
            description =
                    "One Gatun checkpoint, or PyTorch's files (weights and state together, or apart); then the file"
                            + " to write.")
    private List<Path> files;

    @Option(
            names = "--optimizer",
            paramLabel = "SPEC",
            description =
                    "The optimizer that PyTorch's state is of, such as \"adamw(lr=0.001)\". Not needed for files that"
                            + " this command wrote.")
    private String optimizer;

    @Option(
            names = "--steps",
            paramLabel = "N",
            description = "Steps taken, where PyTorch's files have no step: its SGD counts none.")
    private Long steps;

    @Option(
            names = "--leave-out",
            paramLabel = "NAME",
            split = ",",
            description = "Tensors that are no parameters, such as \"*running_mean,*running_var\"; * is anything.")
    private List<String> leaveOut = new ArrayList<>();

    @Override
    public Integer call() throws IOException {
        List<Path> inputs = files.subList(0, files.size() - 1);
        Path output = files.getLast();
        Output.check("output", output);
        for (Path input : inputs) {
            CheckpointCommand.open(input);
            if (Files.exists(output) && Files.isSameFile(input, output)) {
                throw new BadInput(output + ": would replace its own input; pass another name for the output");
            }
        }
        PrintWriter out = spec.commandLine().getOut();
        boolean gatun = Safetensors.read(inputs.getFirst()).metadata().containsKey("gatun_format");
        if (gatun) {
            toPyTorch(inputs, output, out);
        } else {
            toGatun(inputs, output, out);
        }
        out.flush();
        return 0;
    }

    private void toPyTorch(List<Path> inputs, Path output, PrintWriter out) throws IOException {
        if (inputs.size() > 1) {
            throw new BadInput(inputs.getFirst() + " is a checkpoint of Gatun: convert such files one by one");
        }
        if (optimizer != null || steps != null || !leaveOut.isEmpty()) {
            throw new BadInput("--optimizer, --steps and --leave-out are for PyTorch's files, and " + inputs.getFirst()
                    + " is a checkpoint of Gatun: leave them out");
        }
        Checkpoint checkpoint = Checkpoint.read(inputs.getFirst());
        PyTorchCheckpoint.save(checkpoint, output);
        out.printf(
                "%s: %d parameters under PyTorch's names, %s%n",
                output, checkpoint.parameters().size(), checkpoint.optimizer());
    }

    private void toGatun(List<Path> inputs, Path output, PrintWriter out) throws IOException {
        if (steps != null && steps < 0) {
            throw new BadInput("--steps " + steps + ": pass a number >= 0");
        }
        if (steps != null && optimizer == null) {
            throw new BadInput("--steps " + steps + ": is for files of PyTorch's own; pass --optimizer, too");
        }
        PyTorchCheckpoint.Reading reading = new PyTorchCheckpoint.Reading(
                optimizer == null ? null : Rule.parse(optimizer),
                steps == null ? OptionalLong.empty() : OptionalLong.of(steps),
                leftOut(inputs));
        PyTorchCheckpoint.Found found = PyTorchCheckpoint.load(inputs, reading, output);
        out.printf("%s: a checkpoint of %d parameters, %s%n", output, found.parameters(), found.optimizer());
        if (!found.stateless().isEmpty()) {
            out.println("without state, so they begin with zeros: " + String.join(", ", found.stateless()));
        }
        if (!found.leftOut().isEmpty()) {
            out.println("left out: " + String.join(", ", found.leftOut()));
        }
    }

    private Set<String> leftOut(List<Path> inputs) throws IOException {
        Set<String> names = new HashSet<>();
        for (Path input : inputs) {
            names.addAll(Safetensors.read(input).names());
        }
        Set<String> matched = new HashSet<>();
        for (String pattern : leaveOut) {
            String[] parts = pattern.strip().split("\\*", -1);
            Pattern glob = Pattern.compile(String.join(
                    ".*", List.of(parts).stream().map(Pattern::quote).toList()));
            List<String> found =
                    names.stream().filter(name -> glob.matcher(name).matches()).toList();
            if (found.isEmpty()) {
                throw new BadInput("--leave-out " + pattern + ": no tensor has such a name; gatun checkpoint show lists"
                        + " them");
            }
            matched.addAll(found);
        }
        return matched;
    }
}
