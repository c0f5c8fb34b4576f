package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.gatun_adamp;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * AdamP (Heo et al., 2006.08217): AdamW, but where the gradient is nearly orthogonal to the weights, as it is in front
 * of a normalization, the step loses its part along the weights and weight decay is multiplied by {@code wdRatio}.
 * Vectors keep plain AdamW.
 *
 * <pre>
 * u = m / (sqrt(v / (1 - beta2^t)) + eps), with Nesterov (beta1 * m + (1 - beta1) * g) / ...
 * if abs(cos(g, w)) &lt; delta / sqrt(length of a row) in every row, else if so in the whole tensor, in those parts:
 * u = u - w * dot(w, u) / (norm(w) + eps)^2;   decay = wdRatio * weightDecay, else weightDecay
 * w = w * (1 - lr * decay) - lr / (1 - beta1^t) * u
 * </pre>
 *
 * State: {@code m}, {@code v}.
 *
 * @param lr learning rate, 0 or more
 * @param beta1 decay rate of the first moment, 0 or more and below 1
 * @param beta2 decay rate of the second moment, 0 or more and below 1
 * @param eps added to the root and to norms, 0 or more
 * @param weightDecay decoupled; 0 or more
 * @param delta how nearly orthogonal a gradient must be, 0 or more; 0 for never
 * @param wdRatio how much of the weight decay is left then, 0 or more
 * @param nesterov whether the first moment looks ahead
 */
public record AdamP(
        double lr,
        double beta1,
        double beta2,
        double eps,
        double weightDecay,
        double delta,
        double wdRatio,
        boolean nesterov)
        implements Rule {
    static final RuleForm<AdamP> FORM = RuleForm.of(AdamP.class, AdamP::recipe)
            .name("adamp", of(1e-3))
            .about(
                    "AdamW without steps along weights that a normalization makes scale-invariant",
                    "AdamP: Slowing Down the Slowdown for Momentum Optimizers on Scale-invariant Weights",
                    "arXiv 2006.08217");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public AdamP {
        lr = Check.atLeastZero("lr", lr);
        beta1 = Check.belowOne("beta1", beta1);
        beta2 = Check.belowOne("beta2", beta2);
        eps = Check.atLeastZero("eps", eps);
        weightDecay = Check.atLeastZero("weightDecay", weightDecay);
        delta = Check.atLeastZero("delta", delta);
        wdRatio = Check.atLeastZero("wdRatio", wdRatio);
    }

    /** As published: beta1 0.9, beta2 0.999, eps 1e-8, no weight decay, delta 0.1, wdRatio 0.1. */
    public static AdamP of(double lr) {
        return new AdamP(lr, 0.9, 0.999, 1e-8, 0, 0.1, 0.1, false);
    }

    @Override
    public AdamP withLr(double lr) {
        return new AdamP(lr, beta1, beta2, eps, weightDecay, delta, wdRatio, nesterov);
    }

    /** The same with another {@code beta1}. */
    public AdamP withBeta1(double beta1) {
        return new AdamP(lr, beta1, beta2, eps, weightDecay, delta, wdRatio, nesterov);
    }

    /** The same with another {@code beta2}. */
    public AdamP withBeta2(double beta2) {
        return new AdamP(lr, beta1, beta2, eps, weightDecay, delta, wdRatio, nesterov);
    }

    /** The same with another {@code eps}. */
    public AdamP withEps(double eps) {
        return new AdamP(lr, beta1, beta2, eps, weightDecay, delta, wdRatio, nesterov);
    }

    /** The same with another {@code weightDecay}. */
    public AdamP withWeightDecay(double weightDecay) {
        return new AdamP(lr, beta1, beta2, eps, weightDecay, delta, wdRatio, nesterov);
    }

    /** The same with another {@code delta}. */
    public AdamP withDelta(double delta) {
        return new AdamP(lr, beta1, beta2, eps, weightDecay, delta, wdRatio, nesterov);
    }

    /** The same with another {@code wdRatio}. */
    public AdamP withWdRatio(double wdRatio) {
        return new AdamP(lr, beta1, beta2, eps, weightDecay, delta, wdRatio, nesterov);
    }

    /** The same with another {@code nesterov}. */
    public AdamP withNesterov(boolean nesterov) {
        return new AdamP(lr, beta1, beta2, eps, weightDecay, delta, wdRatio, nesterov);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        List<String> slots = List.of("m", "v");
        return Recipe.of(new Recipe.Update(GatunC.GATUN_RULE_ADAMP(), this, slots, this::arguments).withSummed(4));
    }

    private MemorySegment arguments(Arena arena) {
        MemorySegment struct = gatun_adamp.allocate(arena);
        gatun_adamp.beta1(struct, beta1);
        gatun_adamp.beta2(struct, beta2);
        gatun_adamp.eps(struct, eps);
        gatun_adamp.weight_decay(struct, weightDecay);
        gatun_adamp.delta(struct, delta);
        gatun_adamp.wd_ratio(struct, wdRatio);
        gatun_adamp.nesterov(struct, nesterov ? 1 : 0);
        return struct;
    }
}
