package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.gatun_pnm;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Positive-negative momentum (Xie et al., 2103.17182): two momentum buffers, for odd and for even steps, whose difference
 * raises the gradient noise without raising its size.
 *
 * <pre>
 * pos = beta1^2 * pos + (1 - beta1^2) * g;   neg = the momentum of the step before
 * w = w - lr * ((1 + beta0) * pos - beta0 * neg) / sqrt((1 + beta0)^2 + beta0^2)
 * </pre>
 *
 * State: {@code pos}, {@code neg}, the buffers of odd and even steps of the tensor.
 *
 * @param lr learning rate, 0 or more
 * @param beta1 decay rate of the momentum, 0 or more and below 1
 * @param beta0 weight of the negative momentum; 1 is the paper's gamma of 5. Any finite number
 * @param weightDecay 0 or more
 * @param decay how weight decay enters
 */
public record Pnm(double lr, double beta1, double beta0, double weightDecay, Decay decay) implements Rule {
    static final RuleForm<Pnm> FORM = RuleForm.of(Pnm.class, Pnm::recipe)
            .name("pnm", of(0), "lr")
            .about(
                    "SGD with two momenta fed in turn, one with a negative weight, which adds noise without a larger batch",
                    "Positive-Negative Momentum: Manipulating Stochastic Gradient Noise to Improve Generalization",
                    "arXiv 2103.17182");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public Pnm {
        lr = Check.atLeastZero("lr", lr);
        beta1 = Check.belowOne("beta1", beta1);
        beta0 = Check.finite("beta0", beta0);
        weightDecay = Check.atLeastZero("weightDecay", weightDecay);
        Check.notNull("decay", decay);
    }

    /** As published: beta1 0.9, beta0 1, no weight decay. */
    public static Pnm of(double lr) {
        return new Pnm(lr, 0.9, 1, 0, Decay.DECOUPLED);
    }

    @Override
    public Pnm withLr(double lr) {
        return new Pnm(lr, beta1, beta0, weightDecay, decay);
    }

    /** The same with another {@code beta1}. */
    public Pnm withBeta1(double beta1) {
        return new Pnm(lr, beta1, beta0, weightDecay, decay);
    }

    /** The same with another {@code beta0}. */
    public Pnm withBeta0(double beta0) {
        return new Pnm(lr, beta1, beta0, weightDecay, decay);
    }

    /** The same with another {@code weightDecay}. */
    public Pnm withWeightDecay(double weightDecay) {
        return new Pnm(lr, beta1, beta0, weightDecay, decay);
    }

    /** The same with another {@code decay}. */
    public Pnm withDecay(Decay decay) {
        return new Pnm(lr, beta1, beta0, weightDecay, decay);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        List<String> slots = List.of("pos", "neg");
        return Recipe.of(new Recipe.Update(GatunC.GATUN_RULE_PNM(), this, slots, this::arguments).withReadOnly(1));
    }

    private MemorySegment arguments(Arena arena) {
        MemorySegment struct = gatun_pnm.allocate(arena);
        gatun_pnm.beta1(struct, beta1);
        gatun_pnm.beta0(struct, beta0);
        gatun_pnm.weight_decay(struct, weightDecay);
        gatun_pnm.decay(struct, decay.ordinal());
        return struct;
    }
}
