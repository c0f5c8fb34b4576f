package dev.gatun;

/**
 * Lookahead (Zhang et al., 1907.08610): at every k-th step of the group the slow weights go a part of the way to the
 * weights, and the weights go back to them: {@code slow = slow + alpha * (w - slow), w = slow}. The slow weights start
 * as the weights before the first step. Tensors without a gradient at a synchronization take part. State: {@code slow}.
 *
 * @param inner the rule between synchronizations
 * @param k steps from one synchronization to the next, 1 or more
 * @param alpha how far the slow weights go, from 0 to 1
 */
public record Lookahead(Rule inner, int k, double alpha) implements Rule {
    static final RuleForm<Lookahead> FORM = RuleForm.of(Lookahead.class, Lookahead::recipe)
            .name("lookahead", of(Adam.of(1e-3)))
            .about(
                    "weights moved part of the way from slow weights to those of another optimizer, every few steps",
                    "Lookahead Optimizer: k steps forward, 1 step back",
                    "arXiv 1907.08610");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public Lookahead {
        Check.notNull("inner", inner);
        Check.atLeast("k", k, 1);
        alpha = Check.fraction("alpha", alpha);
    }

    /** With k 5 and alpha 0.5. */
    public static Lookahead of(Rule inner) {
        return new Lookahead(inner, 5, 0.5);
    }

    @Override
    public double lr() {
        return inner.lr();
    }

    @Override
    public Lookahead withLr(double lr) {
        return withInner(inner.withLr(lr));
    }

    /** The same around another rule. */
    public Lookahead withInner(Rule inner) {
        return new Lookahead(inner, k, alpha);
    }

    /** The same with another number of steps between synchronizations. */
    public Lookahead withK(int k) {
        return new Lookahead(inner, k, alpha);
    }

    /** The same with another way that the slow weights go. */
    public Lookahead withAlpha(double alpha) {
        return new Lookahead(inner, k, alpha);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        return RuleForm.recipe(inner).averaged(Recipe.Average.lookahead(alpha, k, false));
    }
}
