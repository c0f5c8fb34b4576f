package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.gatun_adal;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * AdaL (2107.01525): Adam on gradients scaled by their own l1 norm, so that large gradients grow and small ones shrink.
 * <b>A reconstruction:</b> neither the paper's full text nor code of its authors could be found; the formulas are those of
 * one secondary source, and the scope of the norm, the form of decay and the defaults are open.
 *
 * <pre>
 * h = sum(|g|) * g;   m = beta1 * m + (1 - beta1) * h;   v = beta2 * v + (1 - beta2) * h * h
 * w = w - lr / sqrt(t) / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)
 * </pre>
 *
 * State: {@code m}, {@code v}.
 *
 * @param lr learning rate, 0 or more
 * @param beta1 decay rate of the first moment, 0 or more and below 1
 * @param beta2 decay rate of the second moment, 0 or more and below 1
 * @param eps 0 or more
 * @param weightDecay 0 or more
 * @param decay how weight decay enters
 * @param sqrtDecay whether the learning rate is divided by sqrt(t); not to be combined with a schedule by accident
 * @param epsMode where eps stands
 * @param scope what the norm is taken over
 */
public record AdaL(
        double lr,
        double beta1,
        double beta2,
        double eps,
        double weightDecay,
        Decay decay,
        boolean sqrtDecay,
        EpsMode epsMode,
        Scope scope)
        implements Rule {
    static final RuleForm<AdaL> FORM = RuleForm.of(AdaL.class, AdaL::recipe)
            .name("adal", of(1e-3))
            .about(
                    "a reconstruction, as no code of its authors was found: Adam on gradients multiplied by their own l1 norm",
                    "AdaL: Adaptive Gradient Transformation Contributes to Convergences and Generalizations",
                    "arXiv 2107.01525");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public AdaL {
        lr = Check.atLeastZero("lr", lr);
        beta1 = Check.belowOne("beta1", beta1);
        beta2 = Check.belowOne("beta2", beta2);
        eps = Check.atLeastZero("eps", eps);
        weightDecay = Check.atLeastZero("weightDecay", weightDecay);
        Check.notNull("decay", decay);
        Check.notNull("epsMode", epsMode);
        Check.notNull("scope", scope);
    }

    /** Where eps stands. */
    public enum EpsMode {
        /** m / (root + eps), as in Adam. */
        DENOMINATOR,
        /** m * (1 / root + eps), as the source prints it; 1 / root is 0 for a coordinate that never had a gradient. */
        LITERAL
    }

    /** What the l1 norm is taken over. */
    public enum Scope {
        /** One parameter. */
        TENSOR,
        /** All parameters of all groups whose rule is AdaL with this scope. */
        GLOBAL
    }

    /** The source's form: beta1 0.9, beta2 0.999, eps 1e-8, annealed by sqrt(t), no weight decay. */
    public static AdaL of(double lr) {
        return new AdaL(lr, 0.9, 0.999, 1e-8, 0, Decay.DECOUPLED, true, EpsMode.DENOMINATOR, Scope.TENSOR);
    }

    @Override
    public AdaL withLr(double lr) {
        return new AdaL(lr, beta1, beta2, eps, weightDecay, decay, sqrtDecay, epsMode, scope);
    }

    /** The same with another {@code beta1}. */
    public AdaL withBeta1(double beta1) {
        return new AdaL(lr, beta1, beta2, eps, weightDecay, decay, sqrtDecay, epsMode, scope);
    }

    /** The same with another {@code beta2}. */
    public AdaL withBeta2(double beta2) {
        return new AdaL(lr, beta1, beta2, eps, weightDecay, decay, sqrtDecay, epsMode, scope);
    }

    /** The same with another {@code eps}. */
    public AdaL withEps(double eps) {
        return new AdaL(lr, beta1, beta2, eps, weightDecay, decay, sqrtDecay, epsMode, scope);
    }

    /** The same with another {@code weightDecay}. */
    public AdaL withWeightDecay(double weightDecay) {
        return new AdaL(lr, beta1, beta2, eps, weightDecay, decay, sqrtDecay, epsMode, scope);
    }

    /** The same with another {@code decay}. */
    public AdaL withDecay(Decay decay) {
        return new AdaL(lr, beta1, beta2, eps, weightDecay, decay, sqrtDecay, epsMode, scope);
    }

    /** The same with another {@code sqrtDecay}. */
    public AdaL withSqrtDecay(boolean sqrtDecay) {
        return new AdaL(lr, beta1, beta2, eps, weightDecay, decay, sqrtDecay, epsMode, scope);
    }

    /** The same with another {@code epsMode}. */
    public AdaL withEpsMode(EpsMode epsMode) {
        return new AdaL(lr, beta1, beta2, eps, weightDecay, decay, sqrtDecay, epsMode, scope);
    }

    /** The same with another {@code scope}. */
    public AdaL withScope(Scope scope) {
        return new AdaL(lr, beta1, beta2, eps, weightDecay, decay, sqrtDecay, epsMode, scope);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        List<String> slots = List.of("m", "v");
        return Recipe.of(new Recipe.Update(GatunC.GATUN_RULE_ADAL(), this, slots, this::arguments)
                .withSummed(1 + (weightDecay > 0 && decay == Decay.L2 ? 1 : 0))
                .withPooled(scope == Scope.GLOBAL));
    }

    private MemorySegment arguments(Arena arena) {
        MemorySegment struct = gatun_adal.allocate(arena);
        gatun_adal.beta1(struct, beta1);
        gatun_adal.beta2(struct, beta2);
        gatun_adal.eps(struct, eps);
        gatun_adal.weight_decay(struct, weightDecay);
        gatun_adal.decay(struct, decay.ordinal());
        gatun_adal.sqrt_decay(struct, sqrtDecay ? 1 : 0);
        gatun_adal.literal(struct, epsMode == EpsMode.LITERAL ? 1 : 0);
        gatun_adal.global(struct, scope == Scope.GLOBAL ? 1 : 0);
        return struct;
    }
}
