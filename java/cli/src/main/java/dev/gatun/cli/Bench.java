package dev.gatun.cli;

import com.google.gson.FieldNamingPolicy;
import com.google.gson.GsonBuilder;
import dev.gatun.Adam;
import dev.gatun.DType;
import dev.gatun.Device;
import dev.gatun.Rule;
import dev.gatun.SpecificationException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code gatun bench}: what a step costs, beside what this machine's memory can do in the same seconds. */
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description = {
            "Times optimizer steps in alternation with a loop that moves the same bytes and computes nothing.",
            "The share of the limit is the loop's time over the optimizer's, the median over rounds of the ratio within a round."
                    + " AdamW without the finite check is always measured: the others' times are given as a multiple of it."
        })
final class Bench implements Callable<Integer> {
    /** Which rows an optimizer gets. */
    enum Check {
        BOTH,
        ON,
        OFF
    }

    @Spec
    private CommandSpec spec;

    @Option(
            names = "--optimizers",
            paramLabel = "\"SPEC; SPEC\"",
            defaultValue = "adamw(); sing(); sing(softplus=0, lookahead=0); sgd(lr=0.01, momentum=0.9)",
            description = "Specifications, separated by semicolons. Default: ${DEFAULT-VALUE}.")
    private String optimizers;

    @Option(
            names = "--lists",
            paramLabel = "LIST,LIST",
            defaultValue = "resnet50,50m",
            description =
                    "Tensors to step: resnet50, gpt2, one matrix such as 50m, 1m or 100k, vectors such as 5000x1000 or"
                            + " 10000x64. Lists that fit the cache, below a few million parameters, show the cost of a call"
                            + " more than that of memory. Default: ${DEFAULT-VALUE}.")
    private String lists;

    @Mixin
    private DeviceOptions device;

    @Option(
            names = "--check-finite",
            paramLabel = "both|on|off",
            defaultValue = "both",
            description = "Whether gradients are checked before anything is written: a row for each, or one of them."
                    + " Default: ${DEFAULT-VALUE}.")
    private Check check;

    @Option(
            names = "--rounds",
            paramLabel = "N",
            defaultValue = "21",
            description = "Rounds after " + Rounds.WARM_UP + " for warming up. Default: ${DEFAULT-VALUE}.")
    private int rounds;

    @Option(
            names = "--peers",
            paramLabel = "NAME,NAME",
            arity = "0..1",
            fallbackValue = "all",
            description =
                    "Times what a JVM user would step with instead, too: in turn, each in a process of its own beside"
                            + " AdamW, Gatun's counterpart and the loop. Without names all of bench/peers.")
    private String peers;

    @Option(names = "--json", paramLabel = "FILE", description = "Writes machine and results as JSON.")
    private Path json;

    @Option(names = "--png", paramLabel = "FILE", description = "Draws the shares of the limit as a bar chart.")
    private Path png;

    @Override
    public Integer call() throws IOException {
        if (rounds < 1 || rounds > 100_000) {
            throw new BadInput("--rounds " + rounds + ": pass a number from 1 to 100000");
        }
        Output.check("--json", json);
        Output.check("--png", png);
        List<TensorList> tensors =
                Arrays.stream(lists.split(",", -1)).map(TensorList::parse).toList();
        List<Peer> others = peers();
        List<Benchmark.Variant> variants = variants();
        for (Peer peer : others) {
            Benchmark.Variant counterpart = new Benchmark.Variant(peer.rule(), false);
            if (!variants.contains(counterpart)) {
                variants.add(counterpart);
            }
        }
        checkMemory(tensors, variants);
        List<BenchResult> results = new ArrayList<>();
        List<BenchResult.LeftOut> leftOut = new ArrayList<>();
        BenchResult.Report report;
        try (Device target = device.open();
                Progress progress = new Progress(spec.commandLine().getErr())) {
            Machine machine = Machine.of(target); // now, since its load average must not count our own work
            for (TensorList list : tensors) {
                try (Benchmark benchmark = new Benchmark(list, variants, target, device.dtype())) {
                    results.addAll(benchmark.run(rounds, progress));
                    for (Peer peer : others) {
                        try {
                            results.add(benchmark.run(peer, rounds, progress));
                        } catch (IOException failed) {
                            leftOut.add(new BenchResult.LeftOut(peer.name(), list.name(), failed.getMessage()));
                        }
                    }
                }
            }
            report = BenchResult.Report.of(machine, results, leftOut);
        }
        spec.commandLine().getOut().print(BenchTable.of(report));
        spec.commandLine().getOut().flush();
        if (json != null) {
            Files.writeString(
                    json,
                    new GsonBuilder()
                                    .setFieldNamingPolicy(FieldNamingPolicy.LOWER_CASE_WITH_UNDERSCORES)
                                    .setPrettyPrinting()
                                    .serializeNulls()
                                    .disableHtmlEscaping()
                                    .create()
                                    .toJson(report)
                            + "\n");
        }
        if (png != null) {
            BenchChart.write(report, png);
        }
        return 0;
    }

    private List<Peer> peers() {
        if (peers == null) {
            return List.of();
        }
        List<Peer> chosen = Peer.parse(peers);
        if (device.dtype() != DType.F32 || device.kind() != Device.Kind.CPU) {
            throw new BadInput("--peers: they step F32 on the CPU; leave --dtype and --device out");
        }
        if (System.getProperty(PeerProcess.CLASS_PATH) == null) {
            throw new BadInput("--peers: no class path of bench/peers in the property " + PeerProcess.CLASS_PATH
                    + "; run ./gatun bench --peers, which builds them and sets it");
        }
        return chosen;
    }

    /** What is timed, the reference first. */
    private List<Benchmark.Variant> variants() {
        List<Benchmark.Variant> variants = new ArrayList<>();
        for (String specification : optimizers.split(";", -1)) {
            if (specification.isBlank()) {
                throw new BadInput(
                        "--optimizers: an empty specification in '" + optimizers + "'; remove the extra semicolon");
            }
            Rule rule;
            try {
                rule = Rule.parse(specification.strip());
            } catch (SpecificationException wrong) {
                throw new BadInput("--optimizers: " + Failures.describe(wrong), wrong);
            }
            if (check != Check.ON) {
                variants.add(new Benchmark.Variant(rule, false));
            }
            if (check != Check.OFF) {
                variants.add(new Benchmark.Variant(rule, true));
            }
        }
        if (variants.stream().distinct().count() < variants.size()) {
            throw new BadInput("--optimizers: the same optimizer twice in '" + optimizers + "'; remove one");
        }
        Benchmark.Variant reference = variants.stream()
                .filter(variant -> variant.isAdamW() && !variant.checkFinite())
                .findFirst()
                .orElseGet(() -> new Benchmark.Variant(Adam.w(1e-3), false));
        variants.remove(reference);
        variants.addFirst(reference);
        return variants;
    }

    /** Asked before, because an operating system that runs out of memory kills instead of answering. */
    private void checkMemory(List<TensorList> tensors, List<Benchmark.Variant> variants) {
        long available = Machine.availableBytes();
        for (TensorList list : tensors) {
            long needed = Benchmark.bytes(list, variants, device.dtype());
            if (available > 0 && needed > available) {
                throw new BadInput(String.format(
                        Locale.ROOT,
                        "--lists %s: needs %.1f GB with %d optimizers, %.1f GB are available; pass fewer optimizers or a"
                                + " smaller list",
                        list.name(),
                        needed / 1e9,
                        variants.size(),
                        available / 1e9));
            }
        }
    }
}
