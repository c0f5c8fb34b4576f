package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Random trainings, and tensors of every awkward size, against the model. The seed stands in the failure message. */
@Tag("device")
class HistoriesTest {
    private static final int HISTORIES = Amount.of(2000);

    /** On an emulated GPU. */
    private static final int FEW = 40;

    @TempDir
    Path folder;

    @Test
    void randomHistoriesEqualTheModel() throws Exception {
        try (Device device = TestDevice.open(2);
                Device host = Device.cpu(1)) {
            for (long seed = 0; seed < (TestDevice.isEmulated() ? FEW : HISTORIES); seed++) {
                history(seed, device, host);
            }
        }
    }

    private void history(long seed, Device device, Device host) throws Exception {
        SplittableRandom random = new SplittableRandom(seed);
        List<Rule> rules =
                random.nextInt(3) == 0 ? List.of(randomRule(random), randomRule(random)) : List.of(randomRule(random));
        long[][] shapes = new long[1 + random.nextInt(6)][];
        for (int i = 0; i < shapes.length; i++) {
            shapes[i] = LongStream.range(0, random.nextInt(4))
                    .map(d -> random.nextInt(d == 0 ? 40 : 12))
                    .toArray();
        }
        boolean checkFinite = random.nextBoolean();
        Path file = folder.resolve("history.safetensors");
        DType dtype = seed % 2 == 0 ? DType.F64 : DType.F32;
        double[] largest = new double[shapes.length];
        try (Problem problem = new Problem(dtype, device, shapes);
                Problem reference = new Problem(DType.F64, host, shapes)) { // its values are floats
            Optimizer actual = open(device, rules, problem, checkFinite, null);
            Optimizer expected = open(host, rules, reference, checkFinite, new ModelBackend());
            for (int step = 1; step <= 12; step++) {
                boolean[] bound = new boolean[shapes.length];
                for (int i = 0; i < bound.length; i++) {
                    bound[i] = random.nextInt(5) != 0;
                }
                int bad = random.nextInt(6) == 0 && checkFinite ? random.nextInt(shapes.length) : -1;
                double scale = random.nextBoolean() ? 1 : 0.5;
                for (Optimizer optimizer : List.of(actual, expected)) {
                    Problem own = optimizer == actual ? problem : reference;
                    own.fill(step);
                    if (bad >= 0 && own.gradients.get(bad).length() > 0) {
                        own.gradients.get(bad).set(0, Double.NaN);
                    }
                    own.bindInputs(optimizer, step);
                    for (int i = 0; i < bound.length; i++) {
                        optimizer.bindGradient(i, bound[i] ? own.bindable().get(i) : null);
                    }
                    own.send();
                    optimizer.gradientScale(scale);
                    optimizer.step();
                }
                String where = "seed " + seed + ", step " + step + ": " + rules + " in " + dtype + " on "
                        + Arrays.deepToString(shapes);
                assertThat(actual.report().skipped())
                        .as(where)
                        .isEqualTo(expected.report().skipped());
                if (random.nextInt(5) == 0) {
                    actual.save(file);
                    actual.close();
                    problem.spoilWeights();
                    actual = open(device, rules, problem, checkFinite, null);
                    actual.load(file);
                }
                OptimizerContract.requireClose(
                        where, dtype == DType.F64 ? 1e-10 : 1e-5, problem.weights(), reference.weights(), largest);
                for (int i = 0; i < shapes.length; i++) {
                    assertThat(actual.stepsTaken(i)).as(where).isEqualTo(expected.stepsTaken(i));
                }
            }
            assertThat(problem.sentinelsIntact()).isTrue();
            actual.close();
            expected.close();
        }
    }

    /** One group, or two that share the parameters between them. */
    private static Optimizer open(
            Device device, List<Rule> rules, Problem problem, boolean checkFinite, Backend backend) {
        OptimizerBuilder builder = Optimizer.builder(device).checkFinite(checkFinite);
        int count = problem.parameters.size();
        for (int g = 0; g < rules.size(); g++) {
            int from = count * g / rules.size();
            builder.group(rules.get(g), problem.parameters.subList(from, count * (g + 1) / rules.size()));
        }
        return (backend == null ? builder : builder.backend(backend)).build();
    }

    private static Rule randomRule(SplittableRandom random) {
        double lr = 0.001 + 0.05 * random.nextDouble();
        double decay = random.nextBoolean() ? 0.1 * random.nextDouble() : 0;
        Decay form = Decay.values()[random.nextInt(3)];
        int kind = random.nextInt(8);
        if (kind >= 4) { // any rule, with the options of its tests
            return Rule.parse(Subject.SPECIFICATIONS.get(random.nextInt(Subject.SPECIFICATIONS.size())))
                    .withLr(lr);
        }
        Rule rule = switch (kind) {
            case 3 -> {
                Nsgd nsgd = random.nextBoolean() ? Nsgd.of(lr) : Nsgd.insgd(lr);
                yield nsgd.withWeightDecay(decay)
                        .withMomentum(random.nextBoolean() ? 0 : random.nextDouble())
                        .withNorm(Nsgd.Norm.values()[random.nextInt(2)])
                        .withOrder(Nsgd.Order.values()[random.nextInt(2)])
                        .withScope(Nsgd.Scope.values()[random.nextInt(2)])
                        .withInputBeta(random.nextBoolean() ? 0 : random.nextDouble());
            }
            case 0 -> {
                Sgd sgd = new Sgd(lr, random.nextDouble(), random.nextDouble(), false, decay, form);
                yield random.nextBoolean() ? sgd : sgd.withDampening(0).withNesterov(true);
            }
            case 1 ->
                new Adam(
                        lr,
                        random.nextDouble(),
                        random.nextDouble(),
                        1e-6 + random.nextDouble(),
                        decay,
                        form,
                        random.nextBoolean(),
                        random.nextBoolean() ? 0 : 60 * random.nextDouble());
            default ->
                Sing.official(lr)
                        .withWeightDecay(decay)
                        .withLookahead(random.nextInt(4))
                        .withCenter(random.nextBoolean());
        };
        for (int wrappers = random.nextInt(4); wrappers > 0; wrappers--) {
            rule = switch (random.nextInt(4)) {
                case 0 -> new Clip(rule, 0.01 + random.nextDouble());
                case 1 -> new Lookahead(rule, 1 + random.nextInt(4), random.nextDouble());
                case 2 -> new Ema(rule, random.nextDouble());
                default -> new Standardize(rule, random.nextBoolean(), random.nextBoolean(), 1e-3);
            };
        }
        return rule;
    }

    @Test
    void everySizeEqualsTheModel() {
        LongStream awkward =
                LongStream.of(255, 256, 257, 1023, 1024, 1025, 4095, 4096, 4097, 8191, 8192, 8193, 100_007, 1_000_007);
        List<Rule> rules = new ArrayList<>();
        for (String s : List.of(
                "sgd(lr=0.1, momentum=0.9, weight_decay=0.01)",
                "adamw(lr=0.01, amsgrad=true)",
                "sing(lr=0.01, weight_decay=0.1, lookahead=2)")) {
            rules.add(Rule.parse(s));
        }
        try (Device device = TestDevice.open(3);
                Device host = Device.cpu(1)) {
            long most = TestDevice.isEmulated() ? 2_000 : Long.MAX_VALUE;
            long[][] shapes = LongStream.concat(LongStream.rangeClosed(1, 130), awkward.filter(n -> n < most))
                    .mapToObj(n -> n % 3 == 0 && n < 5000 ? new long[] {3, n} : new long[] {n})
                    .toArray(long[][]::new);
            for (Rule rule : rules) {
                try (Problem problem = new Problem(DType.F64, device, shapes);
                        Problem reference = new Problem(DType.F64, host, shapes);
                        Optimizer actual = open(device, List.of(rule), problem, true, null);
                        Optimizer expected = open(host, List.of(rule), reference, true, new ModelBackend())) {
                    actual.bindGradients(problem.bindable());
                    expected.bindGradients(reference.bindable());
                    for (int step = 1; step <= 3; step++) {
                        problem.fill(step);
                        reference.fill(step);
                        problem.send();
                        actual.step();
                        expected.step();
                    }
                    OptimizerContract.requireClose(
                            rule.toString(), 1e-10, problem.weights(), reference.weights(), new double[shapes.length]);
                    assertThat(problem.sentinelsIntact()).isTrue();
                }
            }
        }
    }
}
