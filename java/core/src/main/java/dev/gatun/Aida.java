package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.gatun_aida;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Aida (Zhang et al., 2203.13273, the authors' code): AdaBelief in which first moment and gradient are projected onto each
 * other, layer by layer, {@code k} times. For k = 2 the increment of v is AdaBelief's times cos^4 of the angle between them.
 *
 * <pre>
 * m = beta1 * m + (1 - beta1) * g;   a = g;   c = m
 * k times:   s = sum(a * c);   a = a * s / (sum(a * a) + xi);   c = c * s / (sum(c * c) + xi)
 * v = beta2 * v + (1 - beta2) * (c - a)^2 + eps;   w = w - lr / (1 - beta1^t) * m / sqrt(v / (1 - beta2^t))
 * </pre>
 *
 * A layer is one parameter. Three sums over it are all that the projections need: a step reads gradient and moment twice.
 * State: {@code m}, {@code v}.
 *
 * @param lr learning rate, 0 or more
 * @param beta1 decay rate of the first moment, 0 or more and below 1
 * @param beta2 decay rate of the second moment, 0 or more and below 1
 * @param eps added to the state at every step, 0 or more
 * @param weightDecay 0 or more
 * @param decay how weight decay enters
 * @param k how often moment and gradient are projected onto each other, from 0 (AdaBelief without its outer eps) to 1000
 * @param xi keeps the projections of a zero gradient finite; 0 or more
 * @param outerEps whether eps is added to the root, too, as a later version of the paper has it
 */
public record Aida(
        double lr,
        double beta1,
        double beta2,
        double eps,
        double weightDecay,
        Decay decay,
        int k,
        double xi,
        boolean outerEps)
        implements Rule {
    static final RuleForm<Aida> FORM = RuleForm.of(Aida.class, Aida::recipe)
            .name("aida", of(1e-3))
            .about(
                    "AdaBelief after layer-wise projections of gradient and momentum onto each other, which narrows the range of step sizes",
                    "A DNN Optimizer that Improves over AdaBelief by Suppression of the Adaptive Stepsize Range",
                    "arXiv 2203.13273");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public Aida {
        lr = Check.atLeastZero("lr", lr);
        beta1 = Check.belowOne("beta1", beta1);
        beta2 = Check.belowOne("beta2", beta2);
        eps = Check.atLeastZero("eps", eps);
        weightDecay = Check.atLeastZero("weightDecay", weightDecay);
        Check.notNull("decay", decay);
        Check.atLeast("k", k, 0);
        xi = Check.atLeastZero("xi", xi);
        if (k > 1000) {
            throw new IllegalArgumentException("k must be 1000 or less, and is " + k);
        }
    }

    /** As published: beta1 0.9, beta2 0.999, eps 1e-8, two projections, no weight decay. */
    public static Aida of(double lr) {
        return new Aida(lr, 0.9, 0.999, 1e-8, 0, Decay.L2, 2, 1e-20, false);
    }

    @Override
    public Aida withLr(double lr) {
        return new Aida(lr, beta1, beta2, eps, weightDecay, decay, k, xi, outerEps);
    }

    /** The same with another {@code beta1}. */
    public Aida withBeta1(double beta1) {
        return new Aida(lr, beta1, beta2, eps, weightDecay, decay, k, xi, outerEps);
    }

    /** The same with another {@code beta2}. */
    public Aida withBeta2(double beta2) {
        return new Aida(lr, beta1, beta2, eps, weightDecay, decay, k, xi, outerEps);
    }

    /** The same with another {@code eps}. */
    public Aida withEps(double eps) {
        return new Aida(lr, beta1, beta2, eps, weightDecay, decay, k, xi, outerEps);
    }

    /** The same with another {@code weightDecay}. */
    public Aida withWeightDecay(double weightDecay) {
        return new Aida(lr, beta1, beta2, eps, weightDecay, decay, k, xi, outerEps);
    }

    /** The same with another {@code decay}. */
    public Aida withDecay(Decay decay) {
        return new Aida(lr, beta1, beta2, eps, weightDecay, decay, k, xi, outerEps);
    }

    /** The same with another {@code k}. */
    public Aida withK(int k) {
        return new Aida(lr, beta1, beta2, eps, weightDecay, decay, k, xi, outerEps);
    }

    /** The same with another {@code xi}. */
    public Aida withXi(double xi) {
        return new Aida(lr, beta1, beta2, eps, weightDecay, decay, k, xi, outerEps);
    }

    /** The same with another {@code outerEps}. */
    public Aida withOuterEps(boolean outerEps) {
        return new Aida(lr, beta1, beta2, eps, weightDecay, decay, k, xi, outerEps);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        List<String> slots = List.of("m", "v");
        return Recipe.of(new Recipe.Update(GatunC.GATUN_RULE_AIDA(), this, slots, this::arguments)
                .withSummed(2 + (weightDecay > 0 && decay == Decay.L2 ? 1 : 0)));
    }

    private MemorySegment arguments(Arena arena) {
        MemorySegment struct = gatun_aida.allocate(arena);
        gatun_aida.beta1(struct, beta1);
        gatun_aida.beta2(struct, beta2);
        gatun_aida.eps(struct, eps);
        gatun_aida.weight_decay(struct, weightDecay);
        gatun_aida.xi(struct, xi);
        gatun_aida.k(struct, k);
        gatun_aida.decay(struct, decay.ordinal());
        gatun_aida.outer_eps(struct, outerEps ? 1 : 0);
        return struct;
    }
}
