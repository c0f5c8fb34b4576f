package dev.gatun;

/**
 * An exponential average of the weights beside them (Polyak and Juditsky, 1992):
 * {@code ema = tau * ema + (1 - tau) * w} after every step, starting as the weights before the first. Training does not
 * read it: evaluate with {@link Optimizer#state} of slot {@code ema}, or use it as a target network, as BYOL (Grill et
 * al., 2006.07733) does. Running statistics of normalizations are not averaged. State: {@code ema}.
 *
 * @param inner the rule whose weights are averaged
 * @param tau how much of the average stays at a step, from 0 to 1; BYOL's schedule begins with it
 * @param tauSchedule how tau goes on
 * @param steps the length of BYOL's schedule, for which it must be 1 or more; the constant one has no use for it
 */
public record Ema(Rule inner, double tau, TauSchedule tauSchedule, int steps) implements Rule {
    static final RuleForm<Ema> FORM = RuleForm.of(Ema.class, Ema::recipe)
            .name("ema", new Ema(Adam.of(1e-3), 0.999))
            .about(
                    "an exponential average of the weights beside them",
                    "Bootstrap your own latent: A new approach to self-supervised Learning",
                    "arXiv 2006.07733");

    /** How much of the average stays, step by step. */
    public enum TauSchedule {
        /** The same at every step. */
        CONSTANT,
        /** {@code 1 - (1 - tau) * (cos(pi * k / steps) + 1) / 2} after k earlier steps; 1, so frozen, after all. */
        BYOL
    }

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public Ema {
        Check.notNull("inner", inner);
        tau = Check.fraction("tau", tau);
        Check.notNull("tauSchedule", tauSchedule);
        Check.atLeast("steps", steps, tauSchedule == TauSchedule.BYOL ? 1 : 0);
    }

    /** With the same tau at every step. */
    public Ema(Rule inner, double tau) {
        this(inner, tau, TauSchedule.CONSTANT, 0);
    }

    /** BYOL's target network over a training of that many steps: tau from 0.996 to 1. */
    public static Ema byol(Rule inner, int steps) {
        return new Ema(inner, 0.996, TauSchedule.BYOL, steps);
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
        return new Ema(inner, tau, tauSchedule, steps);
    }

    /** The same with another memory. */
    public Ema withTau(double tau) {
        return new Ema(inner, tau, tauSchedule, steps);
    }

    /** The same with another schedule of the memory. */
    public Ema withTauSchedule(TauSchedule tauSchedule) {
        return new Ema(inner, tau, tauSchedule, steps);
    }

    /** The same with another length of BYOL's schedule. */
    public Ema withSteps(int steps) {
        return new Ema(inner, tau, tauSchedule, steps);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        Recipe.Average average =
                tauSchedule == TauSchedule.BYOL ? Recipe.Average.byol(tau, steps) : Recipe.Average.ema(tau);
        return RuleForm.recipe(inner).averaged(average);
    }
}
