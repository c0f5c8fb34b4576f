package dev.gatun;

import java.util.List;

/**
 * Which arithmetic updates the weights, with its hyperparameters: an immutable value, checked when it is made. A rule
 * is an update ({@link Sgd}, {@link Adam}, {@link Sing} ...) or stands around another: {@link Standardize} and {@link Clip}
 * change the gradient on its way in, {@link Lookahead} and {@link Ema} average the weights that come out. The outermost
 * sees the raw gradient first and the finished weights last.
 *
 * <p>{@link Object#toString} prints a rule as {@link #parse} reads it: {@code lookahead(sing(adam(lr=0.005)), k=5)}.
 *
 * <p>A new rule is a record with a {@code RuleForm}, named here.
 */
public sealed interface Rule
        permits Sgd,
                Adam,
                AdaBelief,
                RAdam,
                Pnm,
                AdaPnm,
                Aida,
                LAdam,
                LAdaBelief,
                AdaL,
                Lamb,
                Lars,
                Nsgd,
                GenericAdam,
                AdamP,
                Sgdp,
                Sing,
                Standardize,
                Clip,
                Lookahead,
                Ema {
    /** How far an update of one element looks around; each constant includes those before it. */
    enum Reach {
        /** At the element's own gradients: it can be applied to any slice of a tensor, with its weights unseen. */
        GRADIENT,
        /** At the element's own weight: weight decay, averages of the weights. */
        WEIGHT,
        /** At its whole tensor, through norms, means or other sums over it: layer by layer. */
        TENSOR,
        /** At other tensors, through sums over all of them: a clip by global norm. */
        ALL
    }

    /**
     * Reads a specification string such as {@code adamw(lr=1e-3, weight_decay=0.1)} or {@code clip(sing(), norm=0.5)}.
     * Keys left out take their default, and with all of them the parentheses may go: {@code adamw}, {@code clip(sing)}.
     * White space is free.
     *
     * @throws SpecificationException for an unknown name or key, a bad value or a missing parenthesis; it shows where
     */
    static Rule parse(String specification) {
        return new RuleParser(specification).parse();
    }

    /** The learning rate, before any schedule. */
    double lr();

    /** The same rule with another learning rate, 0 or more and finite. */
    Rule withLr(double lr);

    /** The canonical specification string: every key whose value differs from its default. */
    @Override
    String toString();

    /**
     * What the rule is and where it was published, in a sentence for reports: its name, what sets it apart, title and
     * arXiv number. Rules inside follow.
     */
    default String description() {
        return RuleForm.description(this);
    }

    /**
     * The names of the state tensors that a parameter has, in the order of the C ABI: the update's (momentum {@code b},
     * or moments {@code m}, {@code v} and {@code vmax}), then one for each average from the innermost outwards
     * ({@code slow}, {@code ema}; a second one of a kind has a 2 behind its name).
     */
    default List<String> slots() {
        return RuleForm.recipe(this).slots();
    }

    /** What an update depends on: it says where the rule can be used piece by piece. */
    default Reach reach() {
        return RuleForm.recipe(this).reach();
    }

    /**
     * The memory traffic of a step in bytes per parameter, reads and writes together: what a step costs where memory is
     * the limit. The average over the steps for {@link Lookahead}, which synchronizes at every k-th.
     *
     * @param checkFinite whether gradients are checked before anything is written, which reads them once more unless
     *     the rule does so anyway
     */
    default double bytesPerParameter(DType dtype, boolean checkFinite) {
        return bytesPerParameter(dtype, dtype, checkFinite);
    }

    /**
     * As {@link #bytesPerParameter(DType, boolean)} where gradients have another type than weights. State, and the master
     * of a weight of BF16 or F16, are F32 then, and such a weight is only written.
     */
    default double bytesPerParameter(DType weight, DType gradient, boolean checkFinite) {
        return RuleForm.recipe(this).bytes(weight, gradient, checkFinite);
    }
}
