package dev.gatun;

/**
 * SING's transformation of the gradient (2305.15997) in front of any rule: with {@code center}, every row of dimension
 * 0 loses its mean where there are two or more dimensions; with {@code normalize}, the tensor is divided by its
 * Euclidean norm plus eps. Weight decay is the inner rule's, on the raw weights.
 *
 * @param inner the rule that gets the standardized gradient
 * @param center whether row means are taken off
 * @param normalize whether the gradient is divided by its norm
 * @param eps added to the norm, 0 or more
 */
public record Standardize(Rule inner, boolean center, boolean normalize, double eps) implements Rule {
    static final RuleForm<Standardize> FORM = RuleForm.of(Standardize.class, Standardize::recipe)
            .name("sing", Sing.before(Adam.of(1e-3)))
            .about(
                    "layer-wise standardized gradients in front of another optimizer",
                    "SING: A Plug-and-Play DNN Learning Technique",
                    "arXiv 2305.15997");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public Standardize {
        Check.notNull("inner", inner);
        eps = Check.atLeastZero("eps", eps);
    }

    @Override
    public double lr() {
        return inner.lr();
    }

    @Override
    public Standardize withLr(double lr) {
        return withInner(inner.withLr(lr));
    }

    /** The same in front of another rule. */
    public Standardize withInner(Rule inner) {
        return new Standardize(inner, center, normalize, eps);
    }

    /** The same with or without taking off row means. */
    public Standardize withCenter(boolean center) {
        return new Standardize(inner, center, normalize, eps);
    }

    /** The same with or without dividing by the norm. */
    public Standardize withNormalize(boolean normalize) {
        return new Standardize(inner, center, normalize, eps);
    }

    /** The same with another eps. */
    public Standardize withEps(double eps) {
        return new Standardize(inner, center, normalize, eps);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        Recipe recipe = RuleForm.recipe(inner);
        return center || normalize ? recipe.behind(Recipe.Transform.standardize(center, normalize, eps)) : recipe;
    }
}
