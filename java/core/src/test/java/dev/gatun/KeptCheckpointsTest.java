package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Files that this format's writer once wrote load for ever, and going on from them gives what it gave then. {@link
 * #main} wrote them; it never replaces one.
 */
class KeptCheckpointsTest {
    /** Two groups' worth of shapes: a scalar, nothing, vectors, a matrix, a convolution. */
    private static final long[][] SHAPES = {{2, 3}, {5}, {}, {0}, {2, 1, 2, 2}, {1, 3}};

    private record Kept(String first, String second, Subject.Types types, boolean weights) {}

    private static final Map<String, Kept> KEPT = new TreeMap<>(Map.of(
            "groups-f64",
            kept("adamw(lr=0.01, weight_decay=0.1, amsgrad=true)", "sgd(lr=0.05, momentum=0.9)", DType.F64),
            "averages-f32",
            kept("lookahead(ema(clip(sing(adamw(lr=0.01)), norm=2), tau=0.5), k=2)", "lamb(lr=0.01)", DType.F32),
            "inputs-f32",
            kept("insgd(lr=0.05, weight_decay=0.01, input_beta=0.5)", "adapnm(lr=0.01)", DType.F32),
            "state-only-f32",
            new Kept("aida(lr=0.01)", "adabelief(lr=0.01)", Subject.Types.of(DType.F32), false),
            "stochastic-bf16",
            new Kept(
                    "adamw(lr=0.01)",
                    "sgd(lr=0.05, momentum=0.9)",
                    new Subject.Types(DType.BF16, DType.BF16, Rounding.STOCHASTIC),
                    true),
            "nearest-f16",
            new Kept(
                    "adal(lr=0.01)",
                    "radam(lr=0.01)",
                    new Subject.Types(DType.F16, DType.F32, Rounding.NEAREST),
                    true)));

    @TempDir
    Path folder;

    private static Kept kept(String first, String second, DType dtype) {
        return new Kept(first, second, Subject.Types.of(dtype), true);
    }

    static Stream<String> names() {
        return KEPT.keySet().stream();
    }

    private static Optimizer optimizer(Device device, Kept kept, Problem problem) {
        return Optimizer.builder(device)
                .group(Rule.parse(kept.first), problem.parameters.subList(0, 3))
                .group(Rule.parse(kept.second), problem.parameters.subList(3, SHAPES.length))
                .rounding(kept.types.rounding())
                .seed(Subject.SEED)
                .build();
    }

    private static void steps(Optimizer optimizer, Problem problem, int from, int to) {
        for (int step = from; step <= to; step++) {
            problem.fill(step);
            problem.bindInputs(optimizer, step);
            for (int i = 0; i < SHAPES.length; i++) {
                optimizer.bindGradient(i, Problem.hasGradient(step, i) ? problem.gradients.get(i) : null);
            }
            optimizer.step();
        }
    }

    /** Three steps in, and five, which go on from the three if these are there. */
    private static void write(Device device, Kept kept, Path three, Path five) throws IOException {
        try (Problem problem = new Problem(kept.types, kept.types, SHAPES);
                Optimizer optimizer = optimizer(device, kept, problem)) {
            steps(optimizer, problem, 1, 3);
            if (Files.exists(three)) {
                optimizer.load(three);
            } else {
                optimizer.save(three, kept.weights);
            }
            steps(optimizer, problem, 4, 5);
            optimizer.save(five, kept.weights);
        }
    }

    /**
     * Writes the files that are not there yet into a folder. Who changes arithmetic deletes those of five steps only: the
     * others are of former versions, and have to be read for ever.
     */
    public static void main(String[] arguments) throws IOException {
        try (Device device = Device.cpu(1)) {
            for (Map.Entry<String, Kept> kept : KEPT.entrySet()) {
                Path three = Path.of(arguments[0], "version-1-" + kept.getKey() + "-3.safetensors");
                Path five = Path.of(three.toString().replace("-3.safe", "-5.safe"));
                if (Files.notExists(five)) {
                    write(device, kept.getValue(), three, five);
                }
            }
        }
    }

    private static Path file(String name, int steps) throws Exception {
        String resource = "/checkpoints/version-1-" + name + "-" + steps + ".safetensors";
        return Path.of(KeptCheckpointsTest.class.getResource(resource).toURI());
    }

    @ParameterizedTest
    @MethodSource("names")
    void loadsAndGoesOnAsItDid(String name) throws Exception {
        Kept kept = KEPT.get(name);
        Path again = folder.resolve("again");
        try (Device device = Device.cpu(1);
                Problem problem = new Problem(kept.types, kept.types, SHAPES);
                Optimizer optimizer = optimizer(device, kept, problem)) {
            steps(optimizer, problem, 1, kept.weights ? 2 : 3); // weights that are not in the file are those at step 3
            optimizer.load(file(name, 3));
            optimizer.save(again, kept.weights);
            assertThat(Files.mismatch(file(name, 3), again)).isEqualTo(-1);
            steps(optimizer, problem, 4, 5);
            optimizer.save(again, kept.weights);
            assertThat(Files.mismatch(file(name, 5), again)).isEqualTo(-1);
        }
    }

    @Test
    void everyTypeIsKept() {
        assertThat(KEPT.values().stream().map(kept -> kept.types.weight()).distinct())
                .containsExactlyInAnyOrderElementsOf(Arrays.asList(DType.values()));
    }
}
