package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.gatun_adapnm;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Adaptive positive-negative momentum (Xie et al., 2103.17182): {@link Pnm} over Adam's root, with AMSGrad unless switched off.
 *
 * <pre>
 * pos = beta1^2 * pos + (1 - beta1^2) * g;   neg = the momentum of the step before
 * w = w - lr / (1 - beta1^t) * pn / (sqrt(vmax / (1 - beta2^t)) + eps)
 * </pre>
 *
 * with {@code pn} as in {@link Pnm}. State: {@code pos}, {@code neg}, {@code v}, and {@code vmax} with AMSGrad.
 *
 * @param lr learning rate, 0 or more
 * @param beta1 decay rate of the momentum, 0 or more and below 1
 * @param beta2 decay rate of the second moment, 0 or more and below 1
 * @param beta0 weight of the negative momentum; 1 is the paper's gamma of 5. Any finite number
 * @param eps added to the root, 0 or more
 * @param weightDecay 0 or more
 * @param decay how weight decay enters
 * @param amsgrad whether the largest second moment so far takes the place of the second moment
 */
public record AdaPnm(
        double lr,
        double beta1,
        double beta2,
        double beta0,
        double eps,
        double weightDecay,
        Decay decay,
        boolean amsgrad)
        implements Rule {
    static final RuleForm<AdaPnm> FORM = RuleForm.of(AdaPnm.class, AdaPnm::recipe)
            .name("adapnm", of(1e-3))
            .about(
                    "positive-negative momentum over the second moment of Adam",
                    "Positive-Negative Momentum: Manipulating Stochastic Gradient Noise to Improve Generalization",
                    "arXiv 2103.17182");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public AdaPnm {
        lr = Check.atLeastZero("lr", lr);
        beta1 = Check.belowOne("beta1", beta1);
        beta2 = Check.belowOne("beta2", beta2);
        beta0 = Check.finite("beta0", beta0);
        eps = Check.atLeastZero("eps", eps);
        weightDecay = Check.atLeastZero("weightDecay", weightDecay);
        Check.notNull("decay", decay);
    }

    /** As published: beta1 0.9, beta2 0.999, beta0 1, eps 1e-8, AMSGrad, no weight decay. */
    public static AdaPnm of(double lr) {
        return new AdaPnm(lr, 0.9, 0.999, 1, 1e-8, 0, Decay.DECOUPLED, true);
    }

    @Override
    public AdaPnm withLr(double lr) {
        return new AdaPnm(lr, beta1, beta2, beta0, eps, weightDecay, decay, amsgrad);
    }

    /** The same with another {@code beta1}. */
    public AdaPnm withBeta1(double beta1) {
        return new AdaPnm(lr, beta1, beta2, beta0, eps, weightDecay, decay, amsgrad);
    }

    /** The same with another {@code beta2}. */
    public AdaPnm withBeta2(double beta2) {
        return new AdaPnm(lr, beta1, beta2, beta0, eps, weightDecay, decay, amsgrad);
    }

    /** The same with another {@code beta0}. */
    public AdaPnm withBeta0(double beta0) {
        return new AdaPnm(lr, beta1, beta2, beta0, eps, weightDecay, decay, amsgrad);
    }

    /** The same with another {@code eps}. */
    public AdaPnm withEps(double eps) {
        return new AdaPnm(lr, beta1, beta2, beta0, eps, weightDecay, decay, amsgrad);
    }

    /** The same with another {@code weightDecay}. */
    public AdaPnm withWeightDecay(double weightDecay) {
        return new AdaPnm(lr, beta1, beta2, beta0, eps, weightDecay, decay, amsgrad);
    }

    /** The same with another {@code decay}. */
    public AdaPnm withDecay(Decay decay) {
        return new AdaPnm(lr, beta1, beta2, beta0, eps, weightDecay, decay, amsgrad);
    }

    /** The same with another {@code amsgrad}. */
    public AdaPnm withAmsgrad(boolean amsgrad) {
        return new AdaPnm(lr, beta1, beta2, beta0, eps, weightDecay, decay, amsgrad);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        List<String> slots = amsgrad ? List.of("pos", "neg", "v", "vmax") : List.of("pos", "neg", "v");
        return Recipe.of(new Recipe.Update(GatunC.GATUN_RULE_ADAPNM(), this, slots, this::arguments).withReadOnly(1));
    }

    private MemorySegment arguments(Arena arena) {
        MemorySegment struct = gatun_adapnm.allocate(arena);
        gatun_adapnm.beta1(struct, beta1);
        gatun_adapnm.beta2(struct, beta2);
        gatun_adapnm.beta0(struct, beta0);
        gatun_adapnm.eps(struct, eps);
        gatun_adapnm.weight_decay(struct, weightDecay);
        gatun_adapnm.decay(struct, decay.ordinal());
        gatun_adapnm.amsgrad(struct, amsgrad ? 1 : 0);
        return struct;
    }
}
