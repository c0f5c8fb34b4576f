package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.IntFunction;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestReporter;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What the rules have in common, or must keep, by their algebra: on random problems in F64. A run prints its seed;
 * {@code -Dgatun.seed=N} replays it.
 */
class IdentitiesTest {
    private static final int STEPS = 20;

    private final long seed = Long.getLong("gatun.seed", System.nanoTime());
    private final SplittableRandom random = new SplittableRandom(seed);
    private final int rows = 2 + random.nextInt(5);
    private final int fan = 2 + random.nextInt(40);

    @BeforeEach
    void sayTheSeed(TestReporter reporter) {
        reporter.publishEntry("gatun.seed", Long.toString(seed));
    }

    /** One matrix under a rule: its weights before every step and after the last, and its state after every step. */
    private record History(List<double[]> weights, List<List<double[]>> state) {
        double[] last() {
            return weights.getLast();
        }

        /** A state slot after a step, counted from 1. */
        double[] slot(int step, int slot) {
            return state.get(step - 1).get(slot);
        }
    }

    private History run(String specification, double[] start, IntFunction<double[]> gradient, int steps) {
        return run(specification, DType.F64, start, gradient, steps);
    }

    private History run(String specification, DType dtype, double[] start, IntFunction<double[]> gradient, int steps) {
        Rule rule = Rule.parse(specification);
        History history = new History(new ArrayList<>(), new ArrayList<>());
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cpu(1)) {
            long columns = start.length / rows;
            Tensor weight = Tensor.allocate(arena, dtype, rows, columns);
            Tensor bound = Tensor.allocate(arena, dtype, rows, columns);
            fill(weight, start);
            try (Optimizer optimizer = Optimizer.of(device, rule, List.of(Parameter.of("w", weight)))) {
                optimizer.bindGradients(List.of(bound));
                for (int step = 1; step <= steps; step++) {
                    history.weights.add(weight.toDoubles());
                    fill(bound, gradient.apply(step));
                    optimizer.step();
                    history.state.add(rule.slots().stream()
                            .map(slot -> optimizer.state(0, slot).toDoubles())
                            .toList());
                }
                history.weights.add(weight.toDoubles());
            }
        }
        return history;
    }

    private static void fill(Tensor tensor, double[] values) {
        for (int i = 0; i < values.length; i++) {
            tensor.set(i, values[i]);
        }
    }

    private double[] gaussians() {
        double[] values = new double[rows * fan];
        Arrays.setAll(values, i -> random.nextGaussian());
        return values;
    }

    private List<double[]> gradients() {
        List<double[]> gradients = new ArrayList<>();
        for (int step = 0; step < STEPS; step++) {
            gradients.add(gaussians());
        }
        return gradients;
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    private static double[] difference(double[] a, double[] b) {
        double[] difference = new double[a.length];
        Arrays.setAll(difference, i -> a[i] - b[i]);
        return difference;
    }

    private static double[] times(double factor, double[] values) {
        return Arrays.stream(values).map(value -> factor * value).toArray();
    }

    private void requireClose(double[] actual, double[] expected, double tolerance) {
        double scale = Math.sqrt(dot(expected, expected));
        double error = Math.sqrt(dot(difference(actual, expected), difference(actual, expected)));
        assertThat(error).as("-Dgatun.seed=%d", seed).isLessThanOrEqualTo(tolerance * scale);
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 4})
    void aidasIncrementIsAdaBeliefsTimesAPowerOfTheCosine(int k) {
        double[] start = gaussians();
        List<double[]> g = gradients();
        String common = "eps=1e-8, beta1=0.8, beta2=0.9, k=";
        History aida = run("aida(" + common + k + ")", start, step -> g.get(step - 1), STEPS);
        History belief = run("aida(" + common + "0)", start, step -> g.get(step - 1), STEPS);
        for (int step = 2; step <= STEPS; step++) {
            double[] m = aida.slot(step, 0);
            double[] gradient = g.get(step - 1);
            double cosine = dot(m, gradient) / Math.sqrt(dot(m, m) * dot(gradient, gradient));
            double[] increment = increment(aida, step);
            requireClose(
                    increment, times(Math.pow(cosine, 2 * k), increment(belief, step)), 1e-9 / Math.pow(cosine, 2 * k));
        }
    }

    private static double[] increment(History history, int step) {
        double[] before = history.slot(step - 1, 1);
        double[] after = history.slot(step, 1);
        double[] increment = new double[after.length];
        Arrays.setAll(increment, i -> after[i] - 0.9 * before[i] - 1e-8);
        return increment;
    }

    @Test
    void pnmAtItsNeutralPointIsAPlainAverage() {
        double beta1 = random.nextDouble(0.1, 0.95);
        double beta0 = -beta1 / (1 + beta1);
        double norm = Math.hypot(1 + beta0, beta0);
        double[] start = gaussians();
        List<double[]> g = gradients();
        String specification = "pnm(lr=" + 0.1 * norm + ", beta1=" + beta1 + ", beta0=" + beta0 + ")";
        History pnm = run(specification, start, step -> g.get(step - 1), STEPS);
        double[] m = new double[start.length];
        double[] w = start.clone();
        for (double[] gradient : g) {
            for (int i = 0; i < w.length; i++) {
                m[i] = beta1 * m[i] + (1 - beta1) * gradient[i];
                w[i] -= 0.1 * m[i];
            }
        }
        requireClose(pnm.last(), w, 1e-13);
    }

    /** On a quadratic of curvature 1 the largest learning rate is 2 sqrt(G / (2 G - 1)), whatever beta1. */
    @ParameterizedTest
    @ValueSource(doubles = {0.3, 1, 2})
    void pnmIsStableUpToItsLimit(double beta0) {
        double square = (1 + beta0) * (1 + beta0) + beta0 * beta0;
        double limit = 2 * Math.sqrt(square / (2 * square - 1));
        double beta1 = random.nextDouble(0.3, 0.7);
        double[] start = gaussians();
        for (boolean stable : new boolean[] {true, false}) {
            double lr = limit * (stable ? 0.99 : 1.01);
            String specification = "pnm(lr=" + lr + ", beta1=" + beta1 + ", beta0=" + beta0 + ")";
            double[] w = quadratic(specification, start, 3000);
            double growth = Math.sqrt(dot(w, w) / dot(start, start));
            assertThat(stable ? growth < 1e-3 : growth > 1e3)
                    .as("-Dgatun.seed=%d: %s grows by %s", seed, specification, growth)
                    .isTrue();
        }
    }

    /** Steps with the weights as gradients. */
    private double[] quadratic(String specification, double[] start, int steps) {
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cpu(1)) {
            Tensor weight = Tensor.allocate(arena, DType.F64, rows, fan);
            Tensor gradient = Tensor.allocate(arena, DType.F64, rows, fan);
            fill(weight, start);
            Rule rule = Rule.parse(specification);
            try (Optimizer optimizer = Optimizer.of(device, rule, List.of(Parameter.of("w", weight)))) {
                optimizer.bindGradients(List.of(gradient));
                for (int step = 0; step < steps; step++) {
                    gradient.memory().copyFrom(weight.memory());
                    optimizer.step();
                }
            }
            return weight.toDoubles();
        }
    }

    @Test
    void adaLAtConstantNormIsAdamWithASmallerEps() {
        double norm = random.nextDouble(0.01, 100);
        double[] start = gaussians();
        List<double[]> g = gradients().stream()
                .map(gradient ->
                        times(norm / Arrays.stream(gradient).map(Math::abs).sum(), gradient))
                .toList();
        String common = "lr=0.01, weight_decay=0.1, decay=decoupled, eps=";
        History adaL = run("adal(sqrt_decay=false, " + common + "0.001)", start, step -> g.get(step - 1), STEPS);
        History adam = run("adam(" + common + 0.001 / norm + ")", start, step -> g.get(step - 1), STEPS);
        requireClose(adaL.last(), adam.last(), 1e-13);
    }

    @ParameterizedTest
    @ValueSource(strings = {"ladam", "ladabelief"})
    void averagingTheSecondMomentIsThePreForm(String name) {
        double[] start = gaussians();
        List<double[]> g = gradients();
        History pre = run(name + "()", start, step -> g.get(step - 1), STEPS);
        History post = run(name + "(layerwise=post)", start, step -> g.get(step - 1), STEPS);
        for (int step = 1; step <= STEPS; step++) {
            double mean = Arrays.stream(post.slot(step, 1)).average().orElseThrow();
            requireClose(pre.slot(step, 1), new double[] {mean}, 1e-13);
        }
    }

    @Test
    void lambStepsAreAsLongAsTheWeights() {
        double lr = random.nextDouble(0.001, 0.1);
        List<double[]> g = gradients();
        History lamb = run("lamb(max_grad_norm=0, lr=" + lr + ")", gaussians(), step -> g.get(step - 1), STEPS);
        for (int step = 1; step <= STEPS; step++) {
            double[] w = lamb.weights.get(step - 1);
            double[] moved = difference(lamb.weights.get(step), w);
            double[] length = {Math.sqrt(dot(moved, moved))};
            requireClose(length, new double[] {lr * Math.sqrt(dot(w, w))}, 1e-12);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"F32", "F64"}) // in BF16 its sixth step, too, is less than half a unit of a weight
    void rAdamWaitsForFiveSteps(DType dtype) {
        List<double[]> g = gradients();
        History rAdam = run("radam(weight_decay=0.1)", dtype, gaussians(), step -> g.get(step - 1), 6);
        for (int step = 1; step <= 5; step++) {
            assertThat(rAdam.weights.get(step)).as("-Dgatun.seed=%d", seed).isEqualTo(rAdam.weights.getFirst());
        }
        assertThat(rAdam.last()).isNotEqualTo(rAdam.weights.getFirst());
        assertThat(rAdam.slot(1, 0)).isNotEqualTo(rAdam.slot(5, 0));
    }

    @ParameterizedTest
    @ValueSource(strings = {"sing(eps=0)", "sing(sgd(lr=0.1, momentum=0.9), eps=0)", "sing(aida(), eps=0)"})
    void singDoesNotSeeTheGradientsScale(String specification) {
        double[] start = gaussians();
        List<double[]> g = gradients();
        double[] plain =
                run(specification, start, step -> g.get(step - 1), STEPS).last();
        double[] doubled = run(specification, start, step -> times(1024, g.get(step - 1)), STEPS)
                .last();
        assertThat(doubled).as("-Dgatun.seed=%d", seed).isEqualTo(plain);
        double factor = Math.pow(10, random.nextDouble(-6, 6));
        requireClose(
                run(specification, start, step -> times(factor, g.get(step - 1)), STEPS)
                        .last(),
                plain,
                1e-12);
    }

    /** AdamP in its three cases: what it takes off is the step's part along the weights, by row or of the whole. */
    @Test
    void projectedStepsAreOrthogonalToTheWeights() {
        double[] w = gaussians();
        double[] g = gaussians();
        double[] byRow = products(w, step("adamp(eps=0, delta=1e9)", w, g), true);
        assertThat(Arrays.stream(byRow).map(Math::abs).max().orElseThrow())
                .as("-Dgatun.seed=%d", seed)
                .isLessThanOrEqualTo(1e-12);

        // Orthogonal to the whole, parallel to every row: g = +w or -w, rows scaled to equal lengths.
        double[] balanced = new double[2 * w.length];
        double[] turned = new double[2 * w.length];
        for (int i = 0; i < balanced.length; i++) {
            balanced[i] = w[i % w.length];
            turned[i] = i < w.length ? balanced[i] : -balanced[i];
        }
        double[] whole = step("adamp(eps=0)", balanced, perturbed(turned));
        assertThat(Math.abs(dot(balanced, whole)) / Math.sqrt(dot(balanced, balanced) * dot(whole, whole)))
                .as("-Dgatun.seed=%d", seed)
                .isLessThanOrEqualTo(1e-12);
        assertThat(Arrays.stream(products(balanced, whole, false))
                        .map(Math::abs)
                        .max()
                        .orElseThrow())
                .as("-Dgatun.seed=%d", seed)
                .isGreaterThan(1e-3);

        double[] none = step("adamp(eps=0)", w, w);
        assertThat(dot(w, none) / Math.sqrt(dot(w, w) * dot(none, none)))
                .as("-Dgatun.seed=%d", seed)
                .isLessThan(-0.3);
    }

    /** Not so exactly orthogonal that there would be nothing to take off. */
    private double[] perturbed(double[] values) {
        double[] result = values.clone();
        Arrays.setAll(result, i -> values[i] * (1 + 0.01 * random.nextDouble()));
        return result;
    }

    private double[] step(String specification, double[] w, double[] g) {
        History history = run(specification, w, step -> g, 1);
        return difference(history.last(), w);
    }

    /** The cosines of each row of the step with the weights, or their products. */
    private double[] products(double[] w, double[] moved, boolean cosines) {
        int n = w.length / rows;
        double[] products = new double[rows];
        for (int r = 0; r < rows; r++) {
            double[] a = Arrays.copyOfRange(w, r * n, (r + 1) * n);
            double[] b = Arrays.copyOfRange(moved, r * n, (r + 1) * n);
            products[r] = dot(a, b) / (cosines ? Math.sqrt(dot(a, a) * dot(b, b)) : Math.sqrt(dot(moved, moved)));
        }
        return products;
    }
}
