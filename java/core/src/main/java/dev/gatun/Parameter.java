package dev.gatun;

/**
 * A weight tensor to be trained.
 *
 * @param name what messages and checkpoints call it; unique within an optimizer
 * @param weight where it is; {@link Optimizer#step} writes there
 * @param decay whether weight decay applies to it
 */
public record Parameter(String name, Tensor weight, boolean decay) {
    /**
     * Checks the name.
     *
     * @throws IllegalArgumentException for an empty name or a missing weight
     */
    public Parameter {
        if (Check.notNull("name", name).isEmpty()) {
            throw new IllegalArgumentException("name must not be empty: checkpoints find a parameter by it");
        }
        if (name.codePoints().anyMatch(code -> code >= 0xD800 && code <= 0xDFFF)) {
            throw new IllegalArgumentException("name has half a surrogate pair, which no file can keep");
        }
        if (weight == null) {
            throw new IllegalArgumentException("weight of '" + name + "' must be given, and is null");
        }
    }

    /** A parameter to which weight decay applies. */
    public static Parameter of(String name, Tensor weight) {
        return new Parameter(name, weight, true);
    }

    /** The same without weight decay: what biases and the gains of normalizations usually get. */
    public Parameter withoutDecay() {
        return new Parameter(name, weight, false);
    }
}
