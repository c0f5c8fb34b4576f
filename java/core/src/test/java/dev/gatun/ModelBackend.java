package dev.gatun;

import dev.gatun.bindings.GatunC;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The formulas of the papers in plain double arithmetic, one line each, unfused: what the native library is compared
 * with. It works on the same memory, so on F32 it rounds once per step. With a {@link Fault} it is wrong in one way.
 */
final class ModelBackend implements Backend {
    private final Fault fault;

    /** The model without a fault. */
    ModelBackend() {
        this(null);
    }

    ModelBackend(Fault fault) {
        this.fault = fault;
    }

    @Override
    public Plan plan(List<Group> groups) {
        return new ModelPlan(groups);
    }

    @Override
    public String toString() {
        return fault == null ? "model" : fault.name();
    }

    private boolean is(Fault f) {
        return fault == f;
    }

    static double[] read(MemorySegment memory, DType dtype) {
        return Tensor.of(memory, dtype, memory.byteSize() / dtype.bytes()).toDoubles();
    }

    /** Where a gradient is, and its type. */
    private record Gradient(MemorySegment memory, DType dtype) {}

    private final class ModelPlan implements Plan {
        private final List<Group> groups;
        private final Map<String, Gradient> gradients = new HashMap<>();
        private final Map<MemorySegment, double[]> elsewhere = new HashMap<>();
        private double[] firstLr;
        private final Map<String, Input> inputs = new HashMap<>();
        /** Of the last step's gradients, group by group. */
        private double[] norms;

        private Outcome outcome = new Outcome(Double.NaN, false, -1, -1, false);

        ModelPlan(List<Group> groups) {
            this.groups = groups;
        }

        @Override
        public void gradient(int group, int tensor, MemorySegment gradient, DType dtype) {
            gradients.put(group + "/" + tensor, gradient == null ? null : new Gradient(gradient, dtype));
        }

        @Override
        public void input(int group, int tensor, Input input) {
            inputs.put(group + "/" + tensor, input);
        }

        /** The mean power of a tensor's input, by channel; null without one. */
        private double[] power(int group, int tensor) {
            Input input = inputs.get(group + "/" + tensor);
            if (input == null || !(groups.get(group).recipe().update().hyperparameters() instanceof Nsgd nsgd)) {
                return null;
            }
            double[] power = ModelRules.power(input, nsgd.norm());
            return is(Fault.ONE_POWER_FOR_ALL_CHANNELS)
                    ? Arrays.stream(power).map(p -> power[0]).toArray()
                    : power;
        }

        private Gradient gradient(int group, int tensor) {
            return gradients.get(group + "/" + tensor);
        }

        @Override
        public void step(double[] rates, double gradientScale, boolean checkFinite, boolean zeroGradients) {
            double[] lr = is(Fault.LR_OF_THE_FIRST_STEP) && firstLr != null ? firstLr : rates.clone();
            firstLr = lr;
            List<double[][]> scaled = new ArrayList<>();
            double squares = 0;
            int tensor = 0;
            norms = new double[groups.stream().mapToInt(g -> g.members().size()).sum()];
            outcome = null;
            for (int g = 0; g < groups.size(); g++) {
                Group group = groups.get(g);
                double[][] all = new double[group.members().size()][];
                for (int i = 0; i < all.length; i++, tensor++) {
                    if (gradient(g, i) == null) {
                        continue;
                    }
                    all[i] = read(gradient(g, i).memory(), gradient(g, i).dtype());
                    double sum = squares(all[i]);
                    squares += sum;
                    norms[tensor] = Math.sqrt(sum);
                    boolean finite = is(Fault.CHECKS_ONLY_FIRST_ELEMENTS)
                            ? all[i].length == 0 || Double.isFinite(all[i][0])
                            : Double.isFinite(sum);
                    if (checkFinite && !finite && outcome == null) {
                        outcome = new Outcome(Double.NaN, true, g, i, false);
                    }
                    double[] power = is(Fault.READS_INPUTS_UNCHECKED) ? null : power(g, i);
                    if (checkFinite && outcome == null && power != null && !finite(power)) {
                        outcome = new Outcome(Double.NaN, true, g, i, true);
                    }
                    for (int k = 0; k < all[i].length; k++) {
                        all[i][k] *= is(Fault.IGNORES_GRADIENT_SCALE) ? 1 : gradientScale;
                    }
                }
                scaled.add(all);
            }
            if (outcome == null) {
                outcome = new Outcome(Math.sqrt(squares) * gradientScale, false, -1, -1, false);
                transform(scaled);
                double l1 = globalL1(scaled);
                for (int g = 0; g < groups.size(); g++) {
                    update(groups.get(g), scaled.get(g), is(Fault.LR_OF_THE_FIRST_GROUP) ? lr[0] : lr[g], l1);
                }
            } else {
                spoilRefusal();
            }
            if (zeroGradients) {
                gradients.values().forEach(gradient -> {
                    if (gradient != null) {
                        gradient.memory().fill((byte) 0);
                    }
                });
            }
        }

        @Override
        public void values(double[] lr, double gradientScale) {
            throw new UnsupportedOperationException("nothing captures the model's steps");
        }

        private static boolean finite(double[] power) {
            return Arrays.stream(power).allMatch(x -> x >= 0 && Double.isFinite(x));
        }

        private void spoilRefusal() {
            Group group = groups.getFirst();
            if (is(Fault.COUNTS_WHAT_IT_REFUSES)) {
                count(group, 0);
            }
            if (is(Fault.WRITES_WHAT_IT_REFUSES)) {
                MemorySegment weight = group.members().getFirst().weight();
                double[] values = read(weight, group.dtype());
                values[0] = Double.NaN;
                write(weight, group.dtype(), values);
            }
        }

        /** From the outermost inwards; a clip waits for the other groups' clips of the same depth. */
        private void transform(List<double[][]> all) {
            int[] done = new int[groups.size()];
            boolean clips = true;
            while (clips) {
                clips = false;
                double squares = 0;
                for (int g = 0; g < groups.size(); g++) {
                    List<Recipe.Transform> transforms = groups.get(g).recipe().transforms();
                    while (done[g] < transforms.size()
                            && transforms.get(done[g]).kind() != GatunC.GATUN_CLIP()) {
                        standardize(groups.get(g), all.get(g), transforms.get(done[g]++));
                    }
                    if (done[g] < transforms.size()) {
                        clips = true;
                        for (double[] h : all.get(g)) {
                            squares += h == null ? 0 : squares(h);
                        }
                    }
                }
                for (int g = 0; g < groups.size() && clips; g++) {
                    List<Recipe.Transform> transforms = groups.get(g).recipe().transforms();
                    if (done[g] < transforms.size()) {
                        clip(
                                all.get(g),
                                Math.sqrt(squares),
                                transforms.get(done[g]++).value());
                    }
                }
            }
        }

        private void clip(double[][] all, double globalNorm, double limit) {
            for (double[] h : all) {
                for (int k = 0; h != null && k < h.length; k++) {
                    double norm = is(Fault.CLIPS_EACH_TENSOR) && k == 0 ? Math.sqrt(squares(h)) : globalNorm;
                    h[k] *= norm > limit ? limit / norm : 1;
                }
            }
        }

        private void standardize(Group group, double[][] all, Recipe.Transform transform) {
            for (int i = 0; i < all.length; i++) {
                double[] h = all[i];
                Member member = group.members().get(i);
                if (h == null || h.length == 0) {
                    continue;
                }
                if (transform.center() && member.matrix()) {
                    int n = (int) (member.length() / member.rows());
                    for (int row = 0; row < member.rows(); row++) {
                        double mean = 0;
                        for (int k = row * n; k < (row + 1) * n; k++) {
                            mean += h[k] / n;
                        }
                        for (int k = row * n; k < (row + 1) * n; k++) {
                            h[k] -= mean;
                        }
                    }
                }
                if (transform.normalize()) {
                    double norm = Math.sqrt(squares(h)) + transform.value();
                    for (int k = 0; k < h.length; k++) {
                        h[k] /= norm;
                    }
                }
            }
        }

        private void update(Group group, double[][] all, double lr, double globalL1) {
            int count = group.members().size();
            long groupStep = count(group, count);
            for (int i = 0; i < count; i++) {
                Member member = group.members().get(i);
                boolean begins = group.recipe().averages().stream().allMatch(Recipe.Average::skipIdle)
                        ? group.counters().getAtIndex(ValueLayout.JAVA_LONG, i) == 0
                        : groupStep == 1;
                double[] w = member.master() == null || begins || is(Fault.FORGETS_ITS_MASTERS)
                        ? read(member.weight(), group.dtype())
                        : read(member.master(), DType.F32);
                double[][] state = new double[member.state().size()][];
                for (int s = 0; s < state.length; s++) {
                    MemorySegment memory = member.state().get(s);
                    state[s] = elsewhere.getOrDefault(memory, read(memory, type(group, s)));
                }
                int rules = group.recipe().slots().size()
                        - group.recipe().averages().size();
                long t = all[i] != null || is(Fault.COUNTER_ADVANCES_ON_A_SKIP) ? count(group, i) : 0;
                begin(group.recipe(), w, state, rules, t, groupStep);
                double[] before = w.clone();
                if (all[i] != null) {
                    double[] h = all[i];
                    switch (group.recipe().update().hyperparameters()) {
                        case Sgd sgd -> sgd(sgd, member.decay(), lr, t, h, w, state);
                        case Adam adam -> adam(adam, member.decay(), lr, t, h, w, state);
                        case Rule rule ->
                            new ModelRules(member, lr, t, h, w, state)
                                    .step(
                                            rule,
                                            globalL1,
                                            is(Fault.FORGETS_INPUTS) ? null : power(groups.indexOf(group), i));
                    }
                } else if (is(Fault.DECAYS_WHAT_IS_SKIPPED)) {
                    w[0] *= 0.99;
                }
                spoil(group, member, i, all, w, before);
                boolean moved = average(group.recipe(), w, state, rules, t, groupStep) || t > 0;
                if (is(Fault.NO_OP)) {
                    continue;
                }
                if (member.master() != null) {
                    write(member.master(), DType.F32, w);
                }
                if (member.master() == null || is(Fault.DECAYS_WHAT_IS_SKIPPED)) {
                    write(member.weight(), group.dtype(), w);
                } else if (moved) {
                    round(group, member, w, groupStep);
                }
                for (int s = 0; s < state.length; s++) {
                    if (is(Fault.STATE_ELSEWHERE)) {
                        elsewhere.put(member.state().get(s), state[s]);
                    } else {
                        write(member.state().get(s), type(group, s), state[s]);
                    }
                }
            }
        }

        private void round(Group group, Member member, double[] w, long groupStep) {
            long key = is(Fault.DRAWS_THE_SAME_EVERY_STEP) ? 1 : groupStep;
            ModelRounding rounding = ModelRounding.of(group, member, key, fault);
            for (int k = 0; k < w.length; k++) {
                member.weight().setAtIndex(ValueLayout.JAVA_SHORT, k, rounding.round((float) w[k], k));
            }
        }

        private static DType type(Group group, int slot) {
            return group.recipe().scalar(slot) ? DType.F64 : group.dtype().arithmetic();
        }

        /** Over all parameters of groups whose rule asks for it. */
        private double globalL1(List<double[][]> all) {
            double sum = 0;
            for (int i = 0; i < groups.size(); i++) {
                boolean asks = groups.get(i).recipe().update().pooled();
                for (double[] g : asks ? all.get(i) : new double[0][]) {
                    for (int k = 0; g != null && k < g.length; k++) {
                        sum += Math.abs(g[k]);
                    }
                }
            }
            return sum;
        }

        private void spoil(Group group, Member member, int i, double[][] all, double[] w, double[] before) {
            if (all[i] == null || w.length == 0) {
                return;
            }
            int last = w.length - 1;
            if (is(Fault.TAIL_LEFT_OUT)) {
                w[last] = before[last];
            } else if (is(Fault.MOVES_WITHOUT_LR)) {
                w[last] -= 1e-3;
            } else if (is(Fault.NEVER_THE_SAME)) {
                w[last] = Math.nextUp((float) (w[last] + 1e-7 * (System.nanoTime() % 1000)));
            } else if (is(Fault.WRITES_PAST_THE_END)) {
                member.weight()
                        .reinterpret(member.weight().byteSize() + 4)
                        .set(ValueLayout.JAVA_INT_UNALIGNED, member.weight().byteSize(), 0);
            } else if (is(Fault.WRITES_GRADIENTS)) {
                Gradient gradient = gradient(groups.indexOf(group), i);
                write(gradient.memory(), gradient.dtype(), all[i]);
            } else if (is(Fault.SWALLOWS_NAN)) {
                for (int k = 0; k <= last; k++) {
                    w[k] = Double.isNaN(w[k]) ? before[k] : w[k];
                }
            }
        }

        private void begin(Recipe recipe, double[] w, double[][] state, int rules, long t, long groupStep) {
            for (int a = 0; a < recipe.averages().size(); a++) {
                if (recipe.averages().get(a).skipIdle() ? t == 1 : groupStep == 1) {
                    state[rules + a] = w.clone();
                }
            }
        }

        /** Answers whether the weights moved. */
        private boolean average(Recipe recipe, double[] w, double[][] state, int rules, long t, long groupStep) {
            boolean moved = false;
            for (int a = 0; a < recipe.averages().size(); a++) {
                Recipe.Average average = recipe.averages().get(a);
                double[] other = state[rules + a];
                boolean idle = average.skipIdle() && t == 0;
                moved |= average.kind() == GatunC.GATUN_LOOKAHEAD() && groupStep % average.k() == 0 && !idle;
                for (int k = 0; k < w.length && !idle; k++) {
                    if (average.kind() != GatunC.GATUN_LOOKAHEAD()) {
                        double tau = tau(average, groupStep);
                        other[k] = tau * other[k] + (1 - tau) * w[k];
                    } else if (groupStep % average.k() == 0) {
                        other[k] = other[k] + average.value() * (w[k] - other[k]);
                        w[k] = other[k];
                    }
                }
            }
            return moved;
        }

        private static double tau(Recipe.Average average, long groupStep) {
            if (average.kind() == GatunC.GATUN_EMA()) {
                return average.value();
            }
            double done = (double) Math.min(groupStep - 1, average.k()) / average.k();
            return 1 - (1 - average.value()) * (Math.cos(Math.PI * done) + 1) / 2;
        }

        private double decayed(
                Decay form, double weightDecay, boolean decays, double lr, double[] g, double[] w, int k) {
            boolean flagged = decays || is(Fault.DECAYS_WHAT_IS_FLAGGED);
            if (!flagged) {
                return w[k];
            }
            Decay done = is(Fault.COUPLED_DECAY) && form == Decay.DECOUPLED ? Decay.L2 : form;
            switch (done) {
                case L2 -> g[k] += weightDecay * w[k];
                case DECOUPLED -> {
                    return w[k] * (1 - lr * weightDecay);
                }
                default -> {
                    return w[k] * (1 - weightDecay);
                }
            }
            return w[k];
        }

        private void sgd(Sgd a, boolean decays, double lr, long t, double[] g, double[] w, double[][] state) {
            for (int k = 0; k < w.length; k++) {
                double kept = decayed(a.decay(), a.weightDecay(), decays, lr, g, w, k);
                double u = g[k];
                if (a.momentum() > 0) {
                    double[] b = state[0];
                    b[k] = t == 1 ? g[k] : a.momentum() * b[k] + (1 - a.dampening()) * g[k];
                    u = a.nesterov() ? g[k] + a.momentum() * b[k] : b[k];
                }
                w[k] = kept - lr * u;
            }
        }

        private void adam(Adam a, boolean decays, double lr, long t, double[] g, double[] w, double[][] state) {
            double[] m = state[0];
            double[] v = state[1];
            boolean corrects = !is(Fault.NO_BIAS_CORRECTION);
            double bias1 = corrects ? 1 - Math.pow(a.beta1(), t) : 1;
            double bias2 = corrects ? 1 - Math.pow(a.beta2(), t) : 1;
            for (int k = 0; k < w.length; k++) {
                double kept = decayed(a.decay(), a.weightDecay(), decays, lr, g, w, k);
                m[k] = a.beta1() * m[k] + (1 - a.beta1()) * g[k];
                v[k] = a.beta2() * v[k] + (1 - a.beta2()) * g[k] * g[k];
                double r = v[k];
                if (a.amsgrad()) {
                    r = state[2][k] = Math.max(state[2][k], v[k]);
                }
                double root = Math.sqrt(r) / Math.sqrt(bias2);
                double d = a.softplus() > 0 ? softplus(root, a.softplus()) : root + a.eps();
                double moved = lr / bias1 * m[k] / d;
                w[k] = is(Fault.DECAY_AFTER_THE_STEP) ? (w[k] - moved) * kept / w[k] : kept - moved;
            }
        }

        private static double softplus(double x, double beta) {
            return beta * x > 20 ? x : Math.log1p(Math.exp(beta * x)) / beta;
        }

        private static double squares(double[] values) {
            double sum = 0;
            for (double value : values) {
                sum += value * value;
            }
            return sum;
        }

        /** Adds one to a counter and answers it. */
        private static long count(Group group, int index) {
            long next = group.counters().getAtIndex(ValueLayout.JAVA_LONG, index) + 1;
            group.counters().setAtIndex(ValueLayout.JAVA_LONG, index, next);
            return next;
        }

        private static void write(MemorySegment memory, DType dtype, double[] values) {
            Tensor tensor = Tensor.of(memory, dtype, values.length);
            for (int k = 0; k < values.length; k++) {
                tensor.set(k, values[k]);
            }
        }

        @Override
        public void gradientNorms(double[] all) {
            for (int i = 0; i < norms.length; i++) {
                double factor = is(Fault.NORMS_OF_WHAT_IS_SCALED) ? Run.GRADIENT_SCALE : 1;
                all[i] = factor * norms[is(Fault.NORMS_OF_THE_NEIGHBOUR) ? (i + 1) % norms.length : i];
            }
        }

        @Override
        public Outcome report() {
            return outcome;
        }

        @Override
        public void close() {}
    }
}
