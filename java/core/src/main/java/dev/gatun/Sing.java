package dev.gatun;

/**
 * SING (Courtois, Morel and Arias, 2305.15997) as its authors released it: gradients are standardized layer by layer,
 * then AdamW takes them, with a softplus denominator and a look-ahead that the paper's abstract does not speak of.
 * {@link #plain} is the abstract's form; {@link #before} puts the standardization in front of any other rule.
 *
 * <pre>
 * h = (g - mean of its row) / (norm of that over the tensor + eps)     rows only where there are two or more dimensions
 * AdamW on h;   at every lookahead-th step: slow = slow + lookaheadAlpha * (w - slow), w = slow
 * </pre>
 *
 * The best learning rate is about ten times AdamW's. Weight decay is decoupled and never applies to tensors with fewer
 * than two dimensions. A tensor whose rows have one element, such as a shape (C, 1), has nothing left after centering
 * and never trains. State: {@code m}, {@code v}, and {@code slow} with look-ahead.
 *
 * @param lr learning rate, 0 or more
 * @param beta1 decay rate of the first moment, 0 or more and below 1
 * @param beta2 decay rate of the second moment, 0 or more and below 1
 * @param eps added to the norm, and without softplus to the root; 0 or more
 * @param weightDecay 0 or more
 * @param center whether row means are taken off
 * @param normalize whether the gradient is divided by its norm
 * @param softplus of Adam's denominator; 0 for off
 * @param lookahead steps from one synchronization to the next; 0 for no look-ahead
 * @param lookaheadAlpha how far the slow weights go towards the fast ones, from 0 to 1
 */
public record Sing(
        double lr,
        double beta1,
        double beta2,
        double eps,
        double weightDecay,
        boolean center,
        boolean normalize,
        double softplus,
        int lookahead,
        double lookaheadAlpha)
        implements Rule {
    static final RuleForm<Sing> FORM = RuleForm.of(Sing.class, Sing::recipe)
            .name("sing", official(5e-3))
            .about(
                    "layer-wise standardized gradients fed to AdamW, in the released form with a softplus denominator and look-ahead",
                    "SING: A Plug-and-Play DNN Learning Technique",
                    "arXiv 2305.15997");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public Sing {
        lr = Check.atLeastZero("lr", lr);
        beta1 = Check.belowOne("beta1", beta1);
        beta2 = Check.belowOne("beta2", beta2);
        eps = Check.atLeastZero("eps", eps);
        weightDecay = Check.atLeastZero("weightDecay", weightDecay);
        softplus = Check.atLeastZero("softplus", softplus);
        Check.atLeast("lookahead", lookahead, 0);
        lookaheadAlpha = Check.fraction("lookaheadAlpha", lookaheadAlpha);
    }

    /** The released defaults: softplus 50, look-ahead every 5 steps, no weight decay. The authors' lr is 5e-3. */
    public static Sing official(double lr) {
        return new Sing(lr, 0.9, 0.999, 1e-8, 0, true, true, 50, 5, 0.5);
    }

    /** The abstract's form: standardized gradients fed to AdamW, without softplus and look-ahead. */
    public static Sing plain(double lr) {
        return official(lr).withSoftplus(0).withLookahead(0);
    }

    /** The standardization in front of another rule. Weight decay is then that rule's. */
    public static Standardize before(Rule rule) {
        return new Standardize(rule, true, true, 1e-8);
    }

    @Override
    public Sing withLr(double lr) {
        return new Sing(lr, beta1, beta2, eps, weightDecay, center, normalize, softplus, lookahead, lookaheadAlpha);
    }

    /** The same with another decay rate of the first moment. */
    public Sing withBeta1(double beta1) {
        return new Sing(lr, beta1, beta2, eps, weightDecay, center, normalize, softplus, lookahead, lookaheadAlpha);
    }

    /** The same with another decay rate of the second moment. */
    public Sing withBeta2(double beta2) {
        return new Sing(lr, beta1, beta2, eps, weightDecay, center, normalize, softplus, lookahead, lookaheadAlpha);
    }

    /** The same with another eps. */
    public Sing withEps(double eps) {
        return new Sing(lr, beta1, beta2, eps, weightDecay, center, normalize, softplus, lookahead, lookaheadAlpha);
    }

    /** The same with another weight decay. */
    public Sing withWeightDecay(double weightDecay) {
        return new Sing(lr, beta1, beta2, eps, weightDecay, center, normalize, softplus, lookahead, lookaheadAlpha);
    }

    /** The same with or without taking off row means. */
    public Sing withCenter(boolean center) {
        return new Sing(lr, beta1, beta2, eps, weightDecay, center, normalize, softplus, lookahead, lookaheadAlpha);
    }

    /** The same with or without dividing by the norm. */
    public Sing withNormalize(boolean normalize) {
        return new Sing(lr, beta1, beta2, eps, weightDecay, center, normalize, softplus, lookahead, lookaheadAlpha);
    }

    /** The same with another softplus denominator, 0 for none. */
    public Sing withSoftplus(double softplus) {
        return new Sing(lr, beta1, beta2, eps, weightDecay, center, normalize, softplus, lookahead, lookaheadAlpha);
    }

    /** The same with another number of steps between synchronizations, 0 for no look-ahead. */
    public Sing withLookahead(int lookahead) {
        return new Sing(lr, beta1, beta2, eps, weightDecay, center, normalize, softplus, lookahead, lookaheadAlpha);
    }

    /** The same with another way that the slow weights go. */
    public Sing withLookaheadAlpha(double lookaheadAlpha) {
        return new Sing(lr, beta1, beta2, eps, weightDecay, center, normalize, softplus, lookahead, lookaheadAlpha);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        Adam adam = new Adam(lr, beta1, beta2, eps, weightDecay, Decay.DECOUPLED, false, softplus);
        Recipe recipe = RuleForm.recipe(adam).decayingMatricesOnly();
        if (center || normalize) {
            recipe = recipe.behind(Recipe.Transform.standardize(center, normalize, eps));
        }
        // Unlike Lookahead, SING's own leaves out tensors that have no gradient at a synchronization.
        return lookahead == 0 ? recipe : recipe.averaged(Recipe.Average.lookahead(lookaheadAlpha, lookahead, true));
    }
}
