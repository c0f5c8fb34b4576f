package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.gatun_lamb;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * LAMB (You et al., 1904.00962), bias-corrected: Adam's direction with the length of the parameter's weights. Parameters
 * without decay get neither decay nor ratio.
 *
 * <pre>
 * u = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) + weightDecay * w
 * w = w - lr * norm(w) / norm(u) * u;   the ratio is 1 where a norm is 0
 * </pre>
 *
 * State: {@code m}, {@code v}. The direction is computed twice, so that nothing is written before its norm is known.
 *
 * @param lr learning rate, 0 or more
 * @param beta1 decay rate of the first moment, 0 or more and below 1
 * @param beta2 decay rate of the second moment, 0 or more and below 1
 * @param eps added to the root, 0 or more
 * @param weightDecay 0 or more
 * @param maxGradNorm global gradient norm that gradients are clipped to, 0 for none
 * @param alwaysAdapt whether the ratio also applies without weight decay
 * @param trustClip whether the ratio is at most 1 (LAMBC)
 */
public record Lamb(
        double lr,
        double beta1,
        double beta2,
        double eps,
        double weightDecay,
        double maxGradNorm,
        boolean alwaysAdapt,
        boolean trustClip)
        implements Rule {
    static final RuleForm<Lamb> FORM = RuleForm.of(Lamb.class, Lamb::recipe)
            .name("lamb", of(1e-3))
            .about(
                    "Adam with a step for each layer in proportion to the norm of its weights",
                    "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes",
                    "arXiv 1904.00962");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public Lamb {
        lr = Check.atLeastZero("lr", lr);
        beta1 = Check.belowOne("beta1", beta1);
        beta2 = Check.belowOne("beta2", beta2);
        eps = Check.atLeastZero("eps", eps);
        weightDecay = Check.atLeastZero("weightDecay", weightDecay);
        maxGradNorm = Check.atLeastZero("maxGradNorm", maxGradNorm);
    }

    /** As published: beta1 0.9, beta2 0.999, eps 1e-6, weight decay 0.01, gradients clipped to the norm 1. */
    public static Lamb of(double lr) {
        return new Lamb(lr, 0.9, 0.999, 1e-6, 0.01, 1, false, false);
    }

    @Override
    public Lamb withLr(double lr) {
        return new Lamb(lr, beta1, beta2, eps, weightDecay, maxGradNorm, alwaysAdapt, trustClip);
    }

    /** The same with another {@code beta1}. */
    public Lamb withBeta1(double beta1) {
        return new Lamb(lr, beta1, beta2, eps, weightDecay, maxGradNorm, alwaysAdapt, trustClip);
    }

    /** The same with another {@code beta2}. */
    public Lamb withBeta2(double beta2) {
        return new Lamb(lr, beta1, beta2, eps, weightDecay, maxGradNorm, alwaysAdapt, trustClip);
    }

    /** The same with another {@code eps}. */
    public Lamb withEps(double eps) {
        return new Lamb(lr, beta1, beta2, eps, weightDecay, maxGradNorm, alwaysAdapt, trustClip);
    }

    /** The same with another {@code weightDecay}. */
    public Lamb withWeightDecay(double weightDecay) {
        return new Lamb(lr, beta1, beta2, eps, weightDecay, maxGradNorm, alwaysAdapt, trustClip);
    }

    /** The same with another {@code maxGradNorm}. */
    public Lamb withMaxGradNorm(double maxGradNorm) {
        return new Lamb(lr, beta1, beta2, eps, weightDecay, maxGradNorm, alwaysAdapt, trustClip);
    }

    /** The same with another {@code alwaysAdapt}. */
    public Lamb withAlwaysAdapt(boolean alwaysAdapt) {
        return new Lamb(lr, beta1, beta2, eps, weightDecay, maxGradNorm, alwaysAdapt, trustClip);
    }

    /** The same with another {@code trustClip}. */
    public Lamb withTrustClip(boolean trustClip) {
        return new Lamb(lr, beta1, beta2, eps, weightDecay, maxGradNorm, alwaysAdapt, trustClip);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        List<String> slots = List.of("m", "v");
        Recipe recipe =
                Recipe.of(new Recipe.Update(GatunC.GATUN_RULE_LAMB(), this, slots, this::arguments).withSummed(4));
        return maxGradNorm > 0 ? recipe.behind(Recipe.Transform.clip(maxGradNorm)) : recipe;
    }

    private MemorySegment arguments(Arena arena) {
        MemorySegment struct = gatun_lamb.allocate(arena);
        gatun_lamb.beta1(struct, beta1);
        gatun_lamb.beta2(struct, beta2);
        gatun_lamb.eps(struct, eps);
        gatun_lamb.weight_decay(struct, weightDecay);
        gatun_lamb.always_adapt(struct, alwaysAdapt ? 1 : 0);
        gatun_lamb.trust_clip(struct, trustClip ? 1 : 0);
        return struct;
    }
}
