package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * What every optimizer on every backend must do. Each check takes a {@link Subject}; {@link NativeContractTest} runs
 * them on the native library, {@link BrokenBackendsTest} on backends that are wrong on purpose.
 */
final class OptimizerContract {
    /** Two synchronizations of SING's look-ahead. */
    private static final int STEPS = 11;

    private static final double[] NOT_FINITE = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY};

    private final Device device;
    /** Where the reference is computed. */
    private final Device host;

    private final Path folder;

    /** A contract on a device, with a device for its reference, and a folder for checkpoints. */
    OptimizerContract(Device device, Device host, Path folder) {
        this.device = device;
        this.host = host;
        this.folder = folder;
    }

    /** All checks by name. */
    Map<String, Consumer<Subject>> checks() {
        Map<String, Consumer<Subject>> checks = new LinkedHashMap<>();
        checks.put("equalsReference", this::equalsReference);
        checks.put("reportsNorms", this::reportsNorms);
        checks.put("skipsWhatHasNoGradient", this::skipsWhatHasNoGradient);
        checks.put("resumeIsInvisible", this::resumeIsInvisible);
        checks.put("repeatsItsBits", this::repeatsItsBits);
        checks.put("refusesWhatIsNotFinite", this::refusesWhatIsNotFinite);
        checks.put("obeysIeeeUnchecked", this::obeysIeeeUnchecked);
        checks.put("standsStillWithoutLr", this::standsStillWithoutLr);
        checks.put("keepsToItsMemory", this::keepsToItsMemory);
        checks.put("roundsItsMasters", this::roundsItsMasters);
        return checks;
    }

    void equalsReference(Subject subject) {
        try (Run run = new Run(subject, device);
                Run reference = new Run(subject.reference(), host)) {
            double[] largest = new double[run.problem.parameters.size()];
            requireClose(subject, "weights", run.masters(), weights(reference), largest);
            for (int step = 1; step <= STEPS; step++) {
                run.steps(step, step);
                reference.steps(step, step);
                requireClose(subject, "weights after step " + step, run.masters(), weights(reference), largest);
                assertThat(run.optimizer.report().skipped()).isFalse();
            }
            requireClose(subject, "state", run.state(), reference.state());
            for (int i = 0; i < run.optimizer.parameters().size(); i++) {
                assertThat(run.optimizer.stepsTaken(i))
                        .as("steps of p%d", i)
                        .isEqualTo(reference.optimizer.stepsTaken(i));
            }
            double norm = reference.optimizer.report().gradientNorm();
            assertThat(run.optimizer.report().gradientNorm()).isBetween(norm * (1 - 1e-12), norm * (1 + 1e-12));
            assertThat(run.optimizer.steps()).isEqualTo(STEPS);
        }
    }

    void reportsNorms(Subject subject) {
        try (Run run = new Run(subject, device)) {
            run.optimizer.reportNorms(Norms.GRADIENTS_AND_UPDATES);
            for (int step = 1; step <= (TestDevice.isEmulated() ? 1 : 2); step++) {
                List<double[]> before =
                        run.masters().stream().map(Tensor::toDoubles).toList();
                long[] taken = run.optimizer.stepsTaken();
                run.steps(step, step);
                List<LayerNorms> layers = run.optimizer.report().layers();
                List<Tensor> after = run.masters();
                for (int i = 0; i < after.size(); i++) {
                    String what = subject + ": p" + i + " at step " + step;
                    Tensor gradient = run.problem.gradients.get(i);
                    double norm = Problem.hasGradient(step, i)
                            ? Run.GRADIENT_SCALE * norm(gradient.toDoubles(), new double[(int) gradient.length()])
                            : Double.NaN;
                    requireNorm(what + ", gradient", layers.get(i).gradient(), norm, 1e-12);
                    boolean begins = subject.types().weight().isHalf() && taken[i] == 0;
                    double moved = begins ? Double.NaN : norm(after.get(i).toDoubles(), before.get(i));
                    requireNorm(what + ", update", layers.get(i).update(), moved, 1e-6);
                    assertThat(layers.get(i).name()).isEqualTo("p" + i);
                }
            }
            run.optimizer.reportNorms(Norms.OFF);
            run.step();
            assertThat(run.optimizer.report().layers()).isEmpty();
        }
    }

    private static double norm(double[] a, double[] b) {
        double sum = 0;
        for (int k = 0; k < a.length; k++) {
            sum += (a[k] - b[k]) * (a[k] - b[k]);
        }
        return Math.sqrt(sum);
    }

    private static void requireNorm(String what, double actual, double expected, double tolerance) {
        boolean close = Double.isNaN(expected)
                ? Double.isNaN(actual)
                : Math.abs(actual - expected) <= tolerance * Math.max(expected, Double.MIN_NORMAL);
        if (!close) {
            fail(what + ": the norm is " + actual + ", should be " + expected);
        }
    }

    void skipsWhatHasNoGradient(Subject subject) {
        for (int skipped : new int[] {0, 9}) {
            try (Run run = new Run(subject, device)) {
                run.bindAll(1);
                run.optimizer.bindGradient(skipped, null);
                byte[] before = bits(run, skipped);
                run.step();
                assertThat(bits(run, skipped)).as("the skipped weight").isEqualTo(before);
                for (int i = 0; i < run.optimizer.parameters().size(); i++) {
                    assertThat(run.optimizer.stepsTaken(i))
                            .as("steps of p%d", i)
                            .isEqualTo(i == skipped ? 0 : 1);
                }
                for (String slot : List.of("b", "m", "v", "vmax")) {
                    if (subject.rule().slots().contains(slot)) {
                        assertThat(run.state(skipped, slot).toDoubles()).containsOnly(0);
                    }
                }
            }
        }
    }

    void resumeIsInvisible(Subject subject) {
        Path half = folder.resolve("half.safetensors");
        Path whole = folder.resolve("whole.safetensors");
        Path resumed = folder.resolve("resumed.safetensors");
        int k = 6; // one past a synchronization of SING's look-ahead
        try (Run run = new Run(subject, device)) {
            run.steps(1, k);
            run.optimizer.save(half);
            run.steps(k + 1, 2 * k);
            run.optimizer.save(whole);
            try (Run again = new Run(subject, device)) {
                again.steps(20, 22); // what was there before must leave no trace
                again.optimizer.load(half);
                assertThat(again.optimizer.steps()).isEqualTo(k);
                again.steps(k + 1, 2 * k);
                again.optimizer.save(resumed);
                assertThat(again.bits()).isEqualTo(run.bits());
                assertThat(Files.mismatch(whole, resumed)).isEqualTo(-1);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void repeatsItsBits(Subject subject) {
        try (Run first = new Run(subject, device);
                Run second = new Run(subject, device)) {
            first.steps(1, STEPS);
            second.steps(1, STEPS);
            assertThat(Arrays.equals(first.bits(), second.bits()))
                    .as("the same bits")
                    .isTrue();
        }
    }

    void refusesWhatIsNotFinite(Subject subject) {
        try (Run run = new Run(subject, device)) {
            run.steps(1, 2);
            run.bindAll(3);
            byte[] before = run.bits();
            byte[] gradients = run.problem.gradientBits();
            for (int i = 0; i < run.optimizer.parameters().size(); i++) {
                Tensor gradient = run.problem.gradients.get(i);
                long length = gradient.length();
                for (long position : positions(length)) {
                    double good = gradient.get(position);
                    for (double bad : TestDevice.isEmulated() ? new double[] {Double.NaN} : NOT_FINITE) {
                        gradient.set(position, bad);
                        run.step();
                        assertThat(Arrays.equals(run.bits(), before))
                                .as("nothing changed by %s at %d of p%d", bad, position, i)
                                .isTrue();
                        StepReport report = run.optimizer.report();
                        assertThat(report.skipped()).isTrue();
                        assertThat(report.reason()).contains("'p" + i + "'");
                    }
                    gradient.set(position, good);
                    run.problem.send();
                }
            }
            for (int i = 0; i < run.optimizer.parameters().size(); i++) {
                refusesInput(run, i, before);
            }
            assertThat(run.problem.gradientBits()).isEqualTo(gradients);
            long clock = run.optimizer.steps();
            run.steps(3, 3);
            assertThat(run.optimizer.steps()).isEqualTo(clock + 1);
            assertThat(run.optimizer.report().skipped()).isFalse();
            assertThat(run.bits()).as("a finite step after them").isNotEqualTo(before);
        }
    }

    private static void refusesInput(Run run, int index, byte[] before) {
        Tensor input = run.optimizer.takesInput(index) && index != 11 ? run.problem.input(3, index) : null;
        long length = input == null ? 0 : input.length();
        for (long position : length == 0 ? new long[0] : new long[] {0, length / 2, length - 1}) {
            double good = input.get(position);
            for (double bad : new double[] {Double.NaN, Double.NEGATIVE_INFINITY}) {
                input.set(position, bad);
                run.step();
                assertThat(Arrays.equals(run.bits(), before))
                        .as("nothing changed by %s at %d of the input of p%d", bad, position, index)
                        .isTrue();
                assertThat(run.optimizer.report().skipped()).isTrue();
                assertThat(run.optimizer.report().reason()).startsWith("the input of 'p" + index + "'");
            }
            input.set(position, good);
        }
    }

    private long[] positions(long length) {
        if (length == 0) {
            return new long[0];
        }
        return TestDevice.isEmulated() ? new long[] {length - 1} : new long[] {0, length / 2, length - 1};
    }

    void obeysIeeeUnchecked(Subject subject) {
        try (Run run = new Run(subject, device, builder -> builder.checkFinite(false));
                Run reference = new Run(subject.reference(), host, builder -> builder.checkFinite(false))) {
            for (Run each : List.of(run, reference)) {
                each.steps(1, 2);
                each.bindAll(3);
                each.problem.gradients.get(9).set(130, Double.NaN);
                each.step();
            }
            // Rectified rules let the weights wait at first: then their state has it, and the weights do not.
            boolean waits = !Double.isNaN(weights(reference).get(9).get(130));
            assertThat(waits).isEqualTo(waitsAtFirst(subject.rule()));
            assertThat(waits ? run.state(9, "m").get(130) : run.masters().get(9).get(130))
                    .isNaN();
            requireClose(subject, "weights after a NaN", run.masters(), weights(reference));
            assertThat(run.optimizer.report().skipped()).isFalse();
            assertThat(run.optimizer.stepsTaken(9)).isEqualTo(reference.optimizer.stepsTaken(9));
        }
    }

    private static boolean waitsAtFirst(Rule rule) {
        return rule instanceof RAdam r && !r.degenerateToSgd()
                || rule instanceof AdaBelief a && a.rectify() && !a.degenerateToSgd();
    }

    void standsStillWithoutLr(Subject subject) {
        Rule rule = subject.rule().withLr(0);
        if (rule.toString().contains("decay=fixed")) {
            return; // this form decays by itself
        }
        try (Run run = new Run(subject.withRule(rule), device)) {
            byte[] before = run.problem.weightBits();
            run.steps(1, STEPS);
            assertThat(Arrays.equals(run.problem.weightBits(), before))
                    .as("weights stand still")
                    .isTrue();
            assertThat(run.optimizer.stepsTaken(0)).isGreaterThan(0);
        }
    }

    void keepsToItsMemory(Subject subject) {
        try (Run run = new Run(subject, device)) {
            run.bindAll(1);
            byte[] gradients = run.problem.gradientBits();
            run.step();
            assertThat(run.problem.gradientBits())
                    .as("gradients are not written")
                    .isEqualTo(gradients);
            run.steps(2, STEPS);
            assertThat(run.problem.sentinelsIntact())
                    .as("bytes around the buffers")
                    .isTrue();
        }
        try (Run run = new Run(subject, device, builder -> builder.zeroGradients(true))) {
            run.bindAll(1);
            run.step();
            assertThat(run.problem.gradientBits()).as("gradients are zeroed").containsOnly(0);
            run.bindAll(2);
            run.problem.gradients.get(11).set(5, Double.NaN);
            run.step();
            assertThat(run.optimizer.report().skipped()).isTrue();
            assertThat(run.problem.gradientBits())
                    .as("those of a refused step, too")
                    .containsOnly(0);
            assertThat(run.problem.sentinelsIntact()).isTrue();
        }
    }

    void roundsItsMasters(Subject subject) {
        DType dtype = subject.types().weight();
        try (Run run = new Run(subject, device)) {
            for (int step = 1; step <= STEPS && dtype.isHalf(); step++) {
                run.steps(step, step);
                for (int i = 0; i < run.problem.parameters.size(); i++) {
                    if (!Problem.hasGradient(step, i)) {
                        continue;
                    }
                    ModelRounding rounding =
                            new ModelRounding(dtype, subject.types().rounding(), Subject.SEED, i, step, null);
                    Tensor weight = run.problem.weights().get(i);
                    float[] masters = run.masters().get(i).toFloats();
                    for (int k = 0; k < masters.length; k++) {
                        short bits = weight.memory().getAtIndex(ValueLayout.JAVA_SHORT, k);
                        if (bits != rounding.round(masters[k], k)) {
                            fail(subject + ": p" + i + " [" + k + "] at step " + step + " is " + weight.get(k)
                                    + ", should be the rounding of " + masters[k]);
                        }
                    }
                }
            }
        }
    }

    private static List<Tensor> weights(Run run) {
        return run.problem.weights();
    }

    private static byte[] bits(Run run, int index) {
        return Problem.bits(List.of(run.problem.weights().get(index)));
    }

    private static void requireClose(Subject subject, String what, List<Tensor> actual, List<Tensor> expected) {
        requireClose(subject, what, actual, expected, new double[expected.size()]);
    }

    private static void requireClose(
            Subject subject, String what, List<Tensor> actual, List<Tensor> expected, double[] before) {
        requireClose(subject + ": " + what, subject.tolerance(), actual, expected, before);
    }

    /**
     * Norm-wise: the largest difference over the largest value that each tensor has had, as replay measures: a weight that
     * comes close to zero keeps the roundings of where it has been. NaN equals NaN and nothing else.
     */
    static void requireClose(
            String what, double tolerance, List<Tensor> actual, List<Tensor> expected, double[] before) {
        List<String> wrong = new ArrayList<>();
        for (int i = 0; i < expected.size(); i++) {
            double[] a = actual.get(i).toDoubles();
            double[] e = expected.get(i).toDoubles();
            double largest = Math.max(before[i], Double.MIN_NORMAL);
            for (double value : e) {
                largest = Math.max(largest, Double.isNaN(value) ? 0 : Math.abs(value));
            }
            before[i] = largest;
            for (int k = 0; k < e.length; k++) {
                boolean close = Double.isNaN(e[k]) ? Double.isNaN(a[k]) : Math.abs(a[k] - e[k]) <= tolerance * largest;
                if (!close && wrong.size() < 5) {
                    wrong.add("tensor " + i + " [" + k + "] is " + a[k] + ", should be " + e[k] + " of " + largest);
                }
            }
        }
        if (!wrong.isEmpty()) {
            fail(what + ": " + String.join("; ", wrong));
        }
    }
}
