package dev.gatun;

/**
 * An exponential average of the weights beside them (Polyak and Juditsky, 1992):
 * {@code ema = tau * ema + (1 - tau) * w} after every step, starting as the weights before the first. Training does not
 * read it: evaluate with {@link Optimizer#state} of slot {@code ema}. State: {@code ema}.
 *
 * @param inner the rule whose weights are averaged
 * @param tau how much of the average stays at a step, from 0 to 1
 */
public record Ema(Rule inner, double tau) implements Rule {
    static final RuleForm<Ema> FORM = RuleForm.of(Ema.class, Ema::recipe)
            .name("ema", new Ema(Adam.of(1e-3), 0.999))
            .about(
                    "an exponential average of the weights beside them",
                    "Bootstrap your own latent: A new approach to self-supervised Learning",
                    "arXiv 2006.07733");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public Ema {
        Check.notNull("inner", inner);
        tau = Check.fraction("tau", tau);
    }

    @Override
    public double lr() {
        return inner.lr();
    }

    @Override
    public Ema withLr(double lr) {
        return withInner(inner.withLr(lr));
    }

    /** The same around another rule. */
    public Ema withInner(Rule inner) {
        return new Ema(inner, tau);
    }

    /** The same with another memory. */
    public Ema withTau(double tau) {
        return new Ema(inner, tau);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        return RuleForm.recipe(inner).averaged(Recipe.Average.ema(tau));
    }
}
