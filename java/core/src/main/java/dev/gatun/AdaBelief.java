package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.gatun_adabelief;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * AdaBelief (Zhuang et al., 2010.07468) as adabelief-pytorch 0.2.1 has it: the step is small where the gradient surprises
 * the first moment.
 *
 * <pre>
 * m = beta1 * m + (1 - beta1) * g;   v = beta2 * v + (1 - beta2) * (g - m)^2 + eps
 * w = w - lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)
 * </pre>
 *
 * State: {@code m}, {@code v}, and {@code vmax} with AMSGrad.
 *
 * @param lr learning rate, 0 or more
 * @param beta1 decay rate of the first moment, 0 or more and below 1
 * @param beta2 decay rate of the second moment, 0 or more and below 1
 * @param eps added to the state at every step, and to the root, 0 or more
 * @param weightDecay 0 or more
 * @param decay how weight decay enters
 * @param rectify whether the step is rectified as in {@link RAdam}; then {@code amsgrad} has no effect
 * @param degenerateToSgd whether the rectified form takes plain momentum steps while it has too few of them to go by; else it waits
 * @param amsgrad whether the largest second moment so far takes the place of the second moment
 */
public record AdaBelief(
        double lr,
        double beta1,
        double beta2,
        double eps,
        double weightDecay,
        Decay decay,
        boolean rectify,
        boolean degenerateToSgd,
        boolean amsgrad)
        implements Rule {
    static final RuleForm<AdaBelief> FORM = RuleForm.of(AdaBelief.class, AdaBelief::recipe)
            .name("adabelief", of(1e-3))
            .about(
                    "Adam with the squared distance of the gradient from its running mean in place of its square",
                    "AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed Gradients",
                    "arXiv 2010.07468");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public AdaBelief {
        lr = Check.atLeastZero("lr", lr);
        beta1 = Check.belowOne("beta1", beta1);
        beta2 = Check.belowOne("beta2", beta2);
        eps = Check.atLeastZero("eps", eps);
        weightDecay = Check.atLeastZero("weightDecay", weightDecay);
        Check.notNull("decay", decay);
    }

    /** As published: beta1 0.9, beta2 0.999, eps 1e-16, rectified, degenerating to momentum; no weight decay. */
    public static AdaBelief of(double lr) {
        return new AdaBelief(lr, 0.9, 0.999, 1e-16, 0, Decay.DECOUPLED, true, true, false);
    }

    @Override
    public AdaBelief withLr(double lr) {
        return new AdaBelief(lr, beta1, beta2, eps, weightDecay, decay, rectify, degenerateToSgd, amsgrad);
    }

    /** The same with another {@code beta1}. */
    public AdaBelief withBeta1(double beta1) {
        return new AdaBelief(lr, beta1, beta2, eps, weightDecay, decay, rectify, degenerateToSgd, amsgrad);
    }

    /** The same with another {@code beta2}. */
    public AdaBelief withBeta2(double beta2) {
        return new AdaBelief(lr, beta1, beta2, eps, weightDecay, decay, rectify, degenerateToSgd, amsgrad);
    }

    /** The same with another {@code eps}. */
    public AdaBelief withEps(double eps) {
        return new AdaBelief(lr, beta1, beta2, eps, weightDecay, decay, rectify, degenerateToSgd, amsgrad);
    }

    /** The same with another {@code weightDecay}. */
    public AdaBelief withWeightDecay(double weightDecay) {
        return new AdaBelief(lr, beta1, beta2, eps, weightDecay, decay, rectify, degenerateToSgd, amsgrad);
    }

    /** The same with another {@code decay}. */
    public AdaBelief withDecay(Decay decay) {
        return new AdaBelief(lr, beta1, beta2, eps, weightDecay, decay, rectify, degenerateToSgd, amsgrad);
    }

    /** The same with another {@code rectify}. */
    public AdaBelief withRectify(boolean rectify) {
        return new AdaBelief(lr, beta1, beta2, eps, weightDecay, decay, rectify, degenerateToSgd, amsgrad);
    }

    /** The same with another {@code degenerateToSgd}. */
    public AdaBelief withDegenerateToSgd(boolean degenerateToSgd) {
        return new AdaBelief(lr, beta1, beta2, eps, weightDecay, decay, rectify, degenerateToSgd, amsgrad);
    }

    /** The same with another {@code amsgrad}. */
    public AdaBelief withAmsgrad(boolean amsgrad) {
        return new AdaBelief(lr, beta1, beta2, eps, weightDecay, decay, rectify, degenerateToSgd, amsgrad);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        List<String> slots = amsgrad && !rectify ? List.of("m", "v", "vmax") : List.of("m", "v");
        return Recipe.of(new Recipe.Update(GatunC.GATUN_RULE_ADABELIEF(), this, slots, this::arguments));
    }

    private MemorySegment arguments(Arena arena) {
        MemorySegment struct = gatun_adabelief.allocate(arena);
        gatun_adabelief.beta1(struct, beta1);
        gatun_adabelief.beta2(struct, beta2);
        gatun_adabelief.eps(struct, eps);
        gatun_adabelief.weight_decay(struct, weightDecay);
        gatun_adabelief.decay(struct, decay.ordinal());
        gatun_adabelief.rectify(struct, rectify ? 1 : 0);
        gatun_adabelief.degenerate_to_sgd(struct, degenerateToSgd ? 1 : 0);
        gatun_adabelief.amsgrad(struct, amsgrad ? 1 : 0);
        return struct;
    }
}
