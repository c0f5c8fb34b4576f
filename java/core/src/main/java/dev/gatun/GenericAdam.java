package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.gatun_generic_adam;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Generic Adam (Zou et al., 1811.09358; Chen et al., 2101.05471) with its practical schedule: Adam whose second moment
 * forgets less and less and whose steps shrink, so that it converges where Adam need not. {@link SufficientCondition}
 * checks schedules like this one.
 *
 * <pre>
 * theta = 1 - (0.001 + 0.999 * r) / t^r;   m = beta1 * m + (1 - beta1) * g;   v = theta * v + (1 - theta) * g^2
 * w = w - lr / sqrt(t) * m / (sqrt(v) + eps)      (no bias correction)
 * </pre>
 *
 * Here t counts the steps of the tensor. State: {@code m}, {@code v}.
 *
 * @param lr learning rate of the first step, 0 or more; divided by sqrt(t), beside any schedule
 * @param r how fast the second moment's memory grows, from 0 (Adam's 0.999 at every step; need not converge) to 1
 * @param beta1 decay rate of the first moment, 0 or more and below 1
 * @param eps added to the root, 0 or more
 */
public record GenericAdam(double lr, double r, double beta1, double eps) implements Rule {
    static final RuleForm<GenericAdam> FORM = RuleForm.of(GenericAdam.class, GenericAdam::recipe)
            .name("generic_adam", of(1e-3))
            .about(
                    "Adam with a decay rate of the second moment that grows over the steps, on schedules that are proven to converge",
                    "A Sufficient Condition for Convergences of Adam and RMSProp",
                    "arXiv 1811.09358");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public GenericAdam {
        lr = Check.atLeastZero("lr", lr);
        r = Check.fraction("r", r);
        beta1 = Check.belowOne("beta1", beta1);
        eps = Check.atLeastZero("eps", eps);
    }

    /** As published: r 0.5, beta1 0.9; eps 1e-8. */
    public static GenericAdam of(double lr) {
        return new GenericAdam(lr, 0.5, 0.9, 1e-8);
    }

    @Override
    public GenericAdam withLr(double lr) {
        return new GenericAdam(lr, r, beta1, eps);
    }

    /** The same with another {@code r}. */
    public GenericAdam withR(double r) {
        return new GenericAdam(lr, r, beta1, eps);
    }

    /** The same with another {@code beta1}. */
    public GenericAdam withBeta1(double beta1) {
        return new GenericAdam(lr, r, beta1, eps);
    }

    /** The same with another {@code eps}. */
    public GenericAdam withEps(double eps) {
        return new GenericAdam(lr, r, beta1, eps);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        List<String> slots = List.of("m", "v");
        return Recipe.of(new Recipe.Update(GatunC.GATUN_RULE_GENERIC_ADAM(), this, slots, this::arguments));
    }

    private MemorySegment arguments(Arena arena) {
        MemorySegment struct = gatun_generic_adam.allocate(arena);
        gatun_generic_adam.beta1(struct, beta1);
        gatun_generic_adam.r(struct, r);
        gatun_generic_adam.eps(struct, eps);
        return struct;
    }
}
