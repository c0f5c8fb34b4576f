package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.gatun_radam;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Rectified Adam (Liu et al., 1908.03265), the authors' form. While the second moment has too few steps to go by (the first
 * five for beta2 0.999) the weights do not move at all, unless {@code degenerateToSgd}; weights that do not move do not
 * decay either.
 *
 * <pre>
 * rho = 2 / (1 - beta2) - 1 - 2 * t * beta2^t / (1 - beta2^t);   if rho is 5 or more:
 * w = w - lr * r(rho) * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + eps)
 * </pre>
 *
 * State: {@code m}, {@code v}.
 *
 * @param lr learning rate, 0 or more
 * @param beta1 decay rate of the first moment, 0 or more and below 1
 * @param beta2 decay rate of the second moment, 0 or more and below 1
 * @param eps added to the root, 0 or more
 * @param weightDecay decoupled; 0 or more
 * @param degenerateToSgd whether early steps are plain momentum steps; else they leave the weights as they are
 */
public record RAdam(double lr, double beta1, double beta2, double eps, double weightDecay, boolean degenerateToSgd)
        implements Rule {
    static final RuleForm<RAdam> FORM = RuleForm.of(RAdam.class, RAdam::recipe)
            .name("radam", of(1e-3))
            .about(
                    "Adam whose first steps are rectified while the second moment is uncertain",
                    "On the Variance of the Adaptive Learning Rate and Beyond",
                    "arXiv 1908.03265");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public RAdam {
        lr = Check.atLeastZero("lr", lr);
        beta1 = Check.belowOne("beta1", beta1);
        beta2 = Check.belowOne("beta2", beta2);
        eps = Check.atLeastZero("eps", eps);
        weightDecay = Check.atLeastZero("weightDecay", weightDecay);
    }

    /** As published: beta1 0.9, beta2 0.999, eps 1e-8, no weight decay, waiting at first. */
    public static RAdam of(double lr) {
        return new RAdam(lr, 0.9, 0.999, 1e-8, 0, false);
    }

    @Override
    public RAdam withLr(double lr) {
        return new RAdam(lr, beta1, beta2, eps, weightDecay, degenerateToSgd);
    }

    /** The same with another {@code beta1}. */
    public RAdam withBeta1(double beta1) {
        return new RAdam(lr, beta1, beta2, eps, weightDecay, degenerateToSgd);
    }

    /** The same with another {@code beta2}. */
    public RAdam withBeta2(double beta2) {
        return new RAdam(lr, beta1, beta2, eps, weightDecay, degenerateToSgd);
    }

    /** The same with another {@code eps}. */
    public RAdam withEps(double eps) {
        return new RAdam(lr, beta1, beta2, eps, weightDecay, degenerateToSgd);
    }

    /** The same with another {@code weightDecay}. */
    public RAdam withWeightDecay(double weightDecay) {
        return new RAdam(lr, beta1, beta2, eps, weightDecay, degenerateToSgd);
    }

    /** The same with another {@code degenerateToSgd}. */
    public RAdam withDegenerateToSgd(boolean degenerateToSgd) {
        return new RAdam(lr, beta1, beta2, eps, weightDecay, degenerateToSgd);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        List<String> slots = List.of("m", "v");
        return Recipe.of(new Recipe.Update(GatunC.GATUN_RULE_RADAM(), this, slots, this::arguments));
    }

    private MemorySegment arguments(Arena arena) {
        MemorySegment struct = gatun_radam.allocate(arena);
        gatun_radam.beta1(struct, beta1);
        gatun_radam.beta2(struct, beta2);
        gatun_radam.eps(struct, eps);
        gatun_radam.weight_decay(struct, weightDecay);
        gatun_radam.degenerate_to_sgd(struct, degenerateToSgd ? 1 : 0);
        return struct;
    }
}
