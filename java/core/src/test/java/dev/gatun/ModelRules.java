package dev.gatun;

import java.util.Arrays;
import java.util.stream.IntStream;

/** The rules that have no faults of their own in {@link ModelBackend}: ALGORITHMS' formulas, a line each, in double. */
final class ModelRules {
    private final Backend.Member member;
    private final boolean decays;
    private final int rows;
    private final double lr;
    private final long t;
    private final double[] g;
    private final double[] w;
    private final double[][] s;

    /** One tensor's step: gradient, weight and state are changed in place. */
    ModelRules(Backend.Member member, double lr, long t, double[] g, double[] w, double[][] s) {
        this.member = member;
        this.decays = member.decay();
        this.rows = member.matrix() ? (int) member.rows() : 0;
        this.lr = lr;
        this.t = t;
        this.g = g;
        this.w = w;
        this.s = s;
    }

    void step(Rule rule, double globalL1, double[] power) {
        switch (rule) {
            case AdaBelief a -> adaBelief(a);
            case RAdam a -> rAdam(a);
            case Pnm a -> pnm(a);
            case AdaPnm a -> adaPnm(a);
            case Aida a -> aida(a);
            case LAdam a -> layerwise(a.beta1(), a.beta2(), a.eps(), a.weightDecay(), a.decay(), a.layerwise(), false);
            case LAdaBelief a ->
                layerwise(a.beta1(), a.beta2(), a.eps(), a.weightDecay(), a.decay(), a.layerwise(), true);
            case AdaL a -> adaL(a, globalL1);
            case Lamb a -> lamb(a);
            case Lars a -> lars(a);
            case Nsgd a -> nsgd(a, power);
            case GenericAdam a -> genericAdam(a);
            case AdamP a -> adamP(a);
            case Sgdp a -> sgdP(a);
            default -> throw new AssertionError(rule);
        }
    }

    private void decay(Decay form, double weightDecay, double rate) {
        for (int k = 0; k < w.length && decays; k++) {
            switch (form) {
                case L2 -> g[k] += weightDecay * w[k];
                case DECOUPLED -> w[k] *= 1 - rate * weightDecay;
                default -> w[k] *= 1 - weightDecay;
            }
        }
    }

    private static void ema(double[] state, double beta, double[] x) {
        for (int k = 0; k < x.length; k++) {
            state[k] = beta * state[k] + (1 - beta) * x[k];
        }
    }

    private static double[] map(int length, java.util.function.IntToDoubleFunction f) {
        return IntStream.range(0, length).mapToDouble(f).toArray();
    }

    private static double dot(double[] a, double[] b) {
        return IntStream.range(0, a.length).mapToDouble(k -> a[k] * b[k]).sum();
    }

    private void move(double rate, double[] m, java.util.function.IntToDoubleFunction d) {
        for (int k = 0; k < w.length; k++) {
            w[k] -= rate * m[k] / d.applyAsDouble(k);
        }
    }

    /** {rho, r}: the length of the approximated moving average, and the rectification where rho is 5 or more. */
    private double[] rectification(double beta2) {
        double limit = 2 / (1 - beta2) - 1;
        double rho = limit - 2 * t * Math.pow(beta2, t) / (1 - Math.pow(beta2, t));
        return new double[] {rho, Math.sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho))};
    }

    private void adaBelief(AdaBelief a) {
        decay(a.decay(), a.weightDecay(), lr);
        ema(s[0], a.beta1(), g);
        ema(s[1], a.beta2(), map(w.length, k -> (g[k] - s[0][k]) * (g[k] - s[0][k])));
        Arrays.setAll(s[1], k -> s[1][k] + a.eps());
        double bias1 = 1 - Math.pow(a.beta1(), t);
        double bias2 = 1 - Math.pow(a.beta2(), t);
        double[] v = s[1];
        if (!a.rectify()) {
            if (a.amsgrad()) {
                Arrays.setAll(s[2], k -> Math.max(s[2][k], s[1][k]));
                v = s[2];
            }
            double[] root = v;
            move(lr / bias1, s[0], k -> Math.sqrt(root[k]) / Math.sqrt(bias2) + a.eps());
            return;
        }
        double[] rho = rectification(a.beta2());
        if (rho[0] >= 5) {
            move(lr * rho[1] * Math.sqrt(bias2) / bias1, s[0], k -> Math.sqrt(s[1][k]) + a.eps());
        } else if (a.degenerateToSgd()) {
            move(lr / bias1, s[0], k -> 1);
        }
    }

    private void rAdam(RAdam a) {
        ema(s[0], a.beta1(), g);
        ema(s[1], a.beta2(), map(w.length, k -> g[k] * g[k]));
        double bias1 = 1 - Math.pow(a.beta1(), t);
        double[] rho = rectification(a.beta2());
        if (rho[0] >= 5 || a.degenerateToSgd()) {
            decay(Decay.DECOUPLED, a.weightDecay(), lr);
        }
        if (rho[0] >= 5) {
            double bias2 = 1 - Math.pow(a.beta2(), t);
            move(lr * rho[1] * Math.sqrt(bias2) / bias1, s[0], k -> Math.sqrt(s[1][k]) + a.eps());
        } else if (a.degenerateToSgd()) {
            move(lr / bias1, s[0], k -> 1);
        }
    }

    private double[] positiveNegative(double beta1, double beta0) {
        double[] positive = t % 2 == 1 ? s[0] : s[1];
        double[] negative = t % 2 == 1 ? s[1] : s[0];
        ema(positive, beta1 * beta1, g);
        double norm = Math.hypot(1 + beta0, beta0);
        return map(w.length, k -> ((1 + beta0) * positive[k] - beta0 * negative[k]) / norm);
    }

    private void pnm(Pnm a) {
        decay(a.decay(), a.weightDecay(), lr);
        move(lr, positiveNegative(a.beta1(), a.beta0()), k -> 1);
    }

    private void adaPnm(AdaPnm a) {
        decay(a.decay(), a.weightDecay(), lr);
        double[] pn = positiveNegative(a.beta1(), a.beta0());
        ema(s[2], a.beta2(), map(w.length, k -> g[k] * g[k]));
        double[] v = s[2];
        if (a.amsgrad()) {
            Arrays.setAll(s[3], k -> Math.max(s[3][k], s[2][k]));
            v = s[3];
        }
        double[] root = v;
        double bias2 = 1 - Math.pow(a.beta2(), t);
        move(lr / (1 - Math.pow(a.beta1(), t)), pn, k -> Math.sqrt(root[k]) / Math.sqrt(bias2) + a.eps());
    }

    private void aida(Aida a) {
        decay(a.decay(), a.weightDecay(), lr);
        ema(s[0], a.beta1(), g);
        double[] x = g.clone();
        double[] y = s[0].clone();
        for (int i = 0; i < a.k(); i++) {
            double product = dot(x, y);
            double scaleX = product / (dot(x, x) + a.xi());
            double scaleY = product / (dot(y, y) + a.xi());
            for (int k = 0; k < x.length; k++) {
                x[k] *= scaleX;
                y[k] *= scaleY;
            }
        }
        ema(s[1], a.beta2(), map(w.length, k -> (y[k] - x[k]) * (y[k] - x[k])));
        Arrays.setAll(s[1], k -> s[1][k] + a.eps());
        double bias2 = 1 - Math.pow(a.beta2(), t);
        double outer = a.outerEps() ? a.eps() : 0;
        move(lr / (1 - Math.pow(a.beta1(), t)), s[0], k -> Math.sqrt(s[1][k]) / Math.sqrt(bias2) + outer);
    }

    private void layerwise(
            double beta1, double beta2, double eps, double weightDecay, Decay form, Layerwise kind, boolean belief) {
        decay(form, weightDecay, lr);
        ema(s[0], beta1, g);
        double[] x = map(w.length, k -> belief ? g[k] - s[0][k] : g[k]);
        double bias2 = 1 - Math.pow(beta2, t);
        double size;
        int n = Math.max(1, w.length);
        if (kind == Layerwise.PRE) {
            s[1][0] = beta2 * s[1][0] + (1 - beta2) * (dot(x, x) / n) + eps;
            size = Math.sqrt(bias2) / Math.sqrt(s[1][0]);
        } else {
            ema(s[1], beta2, map(w.length, k -> x[k] * x[k]));
            Arrays.setAll(s[1], k -> s[1][k] + eps);
            size = Arrays.stream(s[1]).map(v -> Math.sqrt(bias2) / Math.sqrt(v)).sum() / n;
        }
        move(lr / (1 - Math.pow(beta1, t)) * size, s[0], k -> 1);
    }

    private void adaL(AdaL a, double globalL1) {
        double rate = a.sqrtDecay() ? lr / Math.sqrt(t) : lr;
        decay(a.decay(), a.weightDecay(), rate);
        double l1 = a.scope() == AdaL.Scope.GLOBAL
                ? globalL1
                : Arrays.stream(g).map(Math::abs).sum();
        double[] h = map(w.length, k -> l1 * g[k]);
        ema(s[0], a.beta1(), h);
        ema(s[1], a.beta2(), map(w.length, k -> h[k] * h[k]));
        double bias2 = 1 - Math.pow(a.beta2(), t);
        double step = rate / (1 - Math.pow(a.beta1(), t));
        for (int k = 0; k < w.length; k++) {
            double root = Math.sqrt(s[1][k] / bias2);
            w[k] -= a.epsMode() == AdaL.EpsMode.LITERAL
                    ? step * s[0][k] * ((s[1][k] > 0 ? 1 / root : 0) + a.eps())
                    : step * s[0][k] / (root + a.eps());
        }
    }

    private void lamb(Lamb a) {
        ema(s[0], a.beta1(), g);
        ema(s[1], a.beta2(), map(w.length, k -> g[k] * g[k]));
        double bias1 = 1 - Math.pow(a.beta1(), t);
        double bias2 = 1 - Math.pow(a.beta2(), t);
        double weightDecay = decays ? a.weightDecay() : 0;
        double[] u = map(w.length, k -> s[0][k] / bias1 / (Math.sqrt(s[1][k] / bias2) + a.eps()) + weightDecay * w[k]);
        double ratio = 1;
        double weightNorm = Math.sqrt(dot(w, w));
        double updateNorm = Math.sqrt(dot(u, u));
        if (decays && (a.weightDecay() != 0 || a.alwaysAdapt()) && weightNorm > 0 && updateNorm > 0) {
            ratio = weightNorm / updateNorm;
            ratio = a.trustClip() ? Math.min(1, ratio) : ratio;
        }
        move(lr * ratio, u, k -> 1);
    }

    /** The mean over a batch of the sum of |x|^p, by channel. */
    static double[] power(Backend.Input input, Nsgd.Norm norm) {
        int channels = (int) input.channels();
        double[] x = ModelBackend.read(input.memory(), input.dtype());
        if (input.power()) {
            return x;
        }
        double[] power = new double[channels];
        int area = (int) input.area();
        for (int k = 0; k < x.length; k++) {
            double part = norm == Nsgd.Norm.L1 ? Math.abs(x[k]) : x[k] * x[k];
            power[k / area % channels] += part / input.samples();
        }
        return power;
    }

    private void nsgd(Nsgd a, double[] power) {
        double[] d = map(w.length, k -> 1);
        if (power != null) {
            double[] memory = s[a.momentum() > 0 ? 1 : 0];
            boolean first = t == 1 || memory[0] < 0;
            Arrays.setAll(memory, c -> first ? power[c] : a.inputBeta() * memory[c] + (1 - a.inputBeta()) * power[c]);
            d = map(w.length, k -> {
                double p = memory[channel(k)];
                return a.transform() == Nsgd.Transform.LOG ? Math.max(Math.log(p), a.eps()) : p + a.eps();
            });
        }
        boolean pre = a.order() == Nsgd.Order.PRE;
        for (int k = 0; k < w.length; k++) {
            g[k] = (pre ? g[k] / d[k] : g[k]) + (decays ? a.weightDecay() * w[k] : 0);
            double u = g[k];
            if (a.momentum() > 0) {
                s[0][k] = t == 1 ? g[k] : a.momentum() * s[0][k] + (1 - a.dampening()) * g[k];
                u = a.nesterov() ? g[k] + a.momentum() * s[0][k] : s[0][k];
            }
            w[k] -= lr * (pre ? u : u / d[k]);
        }
    }

    /** The input channel of a weight (out, in / groups, ...). */
    private int channel(int k) {
        if (member.powers() == 1) {
            return 0;
        }
        int row = (int) (member.length() / member.rows());
        int perGroup = (int) member.powers() / member.groups();
        int group = k / row / ((int) member.rows() / member.groups());
        return group * perGroup + k % row / (row / perGroup);
    }

    private void lars(Lars a) {
        double weightDecay = decays ? a.weightDecay() : 0;
        double[] d0 = map(w.length, k -> g[k] + weightDecay * w[k]);
        double ratio = 1;
        if (decays) {
            double weightNorm = Math.sqrt(dot(w, w));
            boolean byol = a.variant() == Lars.Variant.BYOL;
            double norm = byol ? Math.sqrt(dot(d0, d0)) : Math.sqrt(dot(g, g));
            if (weightNorm > 0 && norm > 0) {
                ratio = a.eta() * weightNorm / (byol ? norm : norm + weightDecay * weightNorm + a.eps());
            }
            ratio = a.clip() ? Math.min(ratio / lr, 1) : ratio;
        }
        double q = ratio;
        double[] d = map(w.length, k -> q * d0[k]);
        if (a.momentum() == 0) {
            move(lr, d, k -> 1);
            return;
        }
        Arrays.setAll(s[0], k -> a.momentum() * s[0][k] + d[k]);
        move(lr, a.nesterov() ? map(w.length, k -> d[k] + a.momentum() * s[0][k]) : s[0], k -> 1);
    }

    private void genericAdam(GenericAdam a) {
        double theta = 1 - (0.001 + 0.999 * a.r()) / Math.pow(t, a.r());
        ema(s[0], a.beta1(), g);
        ema(s[1], theta, map(w.length, k -> g[k] * g[k]));
        move(lr / Math.sqrt(t), s[0], k -> Math.sqrt(s[1][k]) + a.eps());
    }

    private void adamP(AdamP a) {
        ema(s[0], a.beta1(), g);
        ema(s[1], a.beta2(), map(w.length, k -> g[k] * g[k]));
        double bias2 = 1 - Math.pow(a.beta2(), t);
        double[] u = map(w.length, k -> {
            double m = a.nesterov() ? a.beta1() * s[0][k] + (1 - a.beta1()) * g[k] : s[0][k];
            return m / (Math.sqrt(s[1][k]) / Math.sqrt(bias2) + a.eps());
        });
        boolean projected = project(u, a.delta(), a.eps());
        decay(Decay.DECOUPLED, a.weightDecay() * (projected ? a.wdRatio() : 1), lr);
        move(lr / (1 - Math.pow(a.beta1(), t)), u, k -> 1);
    }

    private void sgdP(Sgdp a) {
        double[] b = a.momentum() > 0 ? s[0] : new double[w.length];
        Arrays.setAll(b, k -> a.momentum() * b[k] + (1 - a.dampening()) * g[k]);
        double[] u = map(w.length, k -> a.nesterov() ? g[k] + a.momentum() * b[k] : b[k]);
        boolean projected = project(u, a.delta(), a.eps());
        decay(Decay.DECOUPLED, a.weightDecay() * (projected ? a.wdRatio() : 1) / (1 - a.momentum()), lr);
        move(lr, u, k -> 1);
    }

    /** Takes the part along the weights off u, row by row or from the whole, if the gradient is nearly orthogonal. */
    private boolean project(double[] u, double delta, double eps) {
        for (int parts : rows == 0 || w.length == 0 ? new int[0] : new int[] {rows, 1}) {
            int n = w.length / parts;
            double largest = 0;
            for (int r = 0; r < parts; r++) {
                double norms = Math.sqrt(dot(part(w, r, n), part(w, r, n)) * dot(part(g, r, n), part(g, r, n)));
                largest = Math.max(largest, Math.abs(dot(part(w, r, n), part(g, r, n))) / Math.max(norms, eps));
            }
            if (largest < delta / Math.sqrt(n)) {
                for (int r = 0; r < parts; r++) {
                    double norm = Math.sqrt(dot(part(w, r, n), part(w, r, n))) + eps;
                    double along = dot(part(w, r, n), part(u, r, n)) / (norm * norm);
                    for (int k = r * n; k < (r + 1) * n; k++) {
                        u[k] -= w[k] * along;
                    }
                }
                return true;
            }
        }
        return false;
    }

    private static double[] part(double[] values, int index, int length) {
        return Arrays.copyOfRange(values, index * length, (index + 1) * length);
    }
}
