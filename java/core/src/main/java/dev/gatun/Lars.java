package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.gatun_lars;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * LARS (You et al., 1708.03888): momentum over gradients with the length of the parameter's weights. Parameters without
 * decay get neither decay nor ratio.
 *
 * <pre>
 * APEX:  q = eta * norm(w) / (norm(g) + weightDecay * norm(w) + eps);   BYOL:  q = eta * norm(w) / norm(g + weightDecay * w)
 * d = q * (g + weightDecay * w);   b = momentum * b + d;   w = w - lr * b;   q is 1 where a norm is 0
 * </pre>
 *
 * State: {@code b}, if momentum is above 0.
 *
 * @param lr learning rate, 0 or more
 * @param momentum 0 or more
 * @param nesterov needs momentum above 0
 * @param weightDecay 0 or more
 * @param eta trust coefficient, 0 or more
 * @param eps 0 or more; the BYOL form has none
 * @param variant whose ratio
 * @param clip whether the ratio is at most the learning rate (LARC)
 */
public record Lars(
        double lr,
        double momentum,
        boolean nesterov,
        double weightDecay,
        double eta,
        double eps,
        Variant variant,
        boolean clip)
        implements Rule {
    static final RuleForm<Lars> FORM = RuleForm.of(Lars.class, Lars::recipe)
            .name("lars", of(0), "lr")
            .about(
                    "SGD with a step for each layer in proportion to the norm of its weights",
                    "Large Batch Training of Convolutional Networks",
                    "arXiv 1708.03888");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public Lars {
        lr = Check.atLeastZero("lr", lr);
        momentum = Check.atLeastZero("momentum", momentum);
        weightDecay = Check.atLeastZero("weightDecay", weightDecay);
        eta = Check.atLeastZero("eta", eta);
        eps = Check.atLeastZero("eps", eps);
        Check.notNull("variant", variant);
        if (nesterov && momentum == 0) {
            throw new IllegalArgumentException("nesterov needs momentum above 0, and momentum is " + momentum);
        }
    }

    /** Whose form of the ratio. */
    public enum Variant {
        /** NVIDIA apex and the paper. */
        APEX,
        /** DeepMind's BYOL. */
        BYOL
    }

    /** As apex has it: momentum 0.9, eta 1e-3, eps 1e-8, no weight decay. */
    public static Lars of(double lr) {
        return new Lars(lr, 0.9, false, 0, 1e-3, 1e-8, Variant.APEX, false);
    }

    @Override
    public Lars withLr(double lr) {
        return new Lars(lr, momentum, nesterov, weightDecay, eta, eps, variant, clip);
    }

    /** The same with another {@code momentum}. */
    public Lars withMomentum(double momentum) {
        return new Lars(lr, momentum, nesterov, weightDecay, eta, eps, variant, clip);
    }

    /** The same with another {@code nesterov}. */
    public Lars withNesterov(boolean nesterov) {
        return new Lars(lr, momentum, nesterov, weightDecay, eta, eps, variant, clip);
    }

    /** The same with another {@code weightDecay}. */
    public Lars withWeightDecay(double weightDecay) {
        return new Lars(lr, momentum, nesterov, weightDecay, eta, eps, variant, clip);
    }

    /** The same with another {@code eta}. */
    public Lars withEta(double eta) {
        return new Lars(lr, momentum, nesterov, weightDecay, eta, eps, variant, clip);
    }

    /** The same with another {@code eps}. */
    public Lars withEps(double eps) {
        return new Lars(lr, momentum, nesterov, weightDecay, eta, eps, variant, clip);
    }

    /** The same with another {@code variant}. */
    public Lars withVariant(Variant variant) {
        return new Lars(lr, momentum, nesterov, weightDecay, eta, eps, variant, clip);
    }

    /** The same with another {@code clip}. */
    public Lars withClip(boolean clip) {
        return new Lars(lr, momentum, nesterov, weightDecay, eta, eps, variant, clip);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        List<String> slots = momentum > 0 ? List.of("b") : List.of();
        return Recipe.of(new Recipe.Update(GatunC.GATUN_RULE_LARS(), this, slots, this::arguments).withSummed(2));
    }

    private MemorySegment arguments(Arena arena) {
        MemorySegment struct = gatun_lars.allocate(arena);
        gatun_lars.momentum(struct, momentum);
        gatun_lars.weight_decay(struct, weightDecay);
        gatun_lars.eta(struct, eta);
        gatun_lars.eps(struct, eps);
        gatun_lars.nesterov(struct, nesterov ? 1 : 0);
        gatun_lars.byol(struct, variant == Variant.BYOL ? 1 : 0);
        gatun_lars.clip(struct, clip ? 1 : 0);
        return struct;
    }
}
