package dev.gatun;

/**
 * Clipping by the global norm (Pascanu et al., 1211.5063): gradients are multiplied by {@code min(1, norm / |g|)},
 * where {@code |g|} is over every tensor of every group that clips.
 *
 * @param inner the rule that gets the clipped gradient
 * @param norm the largest norm, above 0
 */
public record Clip(Rule inner, double norm) implements Rule {
    static final RuleForm<Clip> FORM = RuleForm.of(Clip.class, Clip::recipe)
            .name("clip", new Clip(Adam.of(1e-3), 1))
            .about(
                    "gradients shortened to a largest global norm",
                    "On the difficulty of training Recurrent Neural Networks",
                    "arXiv 1211.5063");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public Clip {
        Check.notNull("inner", inner);
        norm = Check.aboveZero("norm", norm);
    }

    @Override
    public double lr() {
        return inner.lr();
    }

    @Override
    public Clip withLr(double lr) {
        return withInner(inner.withLr(lr));
    }

    /** The same in front of another rule. */
    public Clip withInner(Rule inner) {
        return new Clip(inner, norm);
    }

    /** The same with another largest norm. */
    public Clip withNorm(double norm) {
        return new Clip(inner, norm);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        return RuleForm.recipe(inner).behind(Recipe.Transform.clip(norm));
    }
}
