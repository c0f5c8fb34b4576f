package dev.gatun;

/**
 * A weight tensor to be trained.
 *
 * @param name what messages and checkpoints call it; unique within an optimizer
 * @param weight where it is; {@link Optimizer#step} writes there
 * @param decay whether weight decay applies to it
 * @param groups of a convolution: how many groups its channels are split into; 1 for everything else. Only {@link Nsgd}
 *     looks at it: an input has {@code groups} times the channels of dimension 1 of the weight.
 */
public record Parameter(String name, Tensor weight, boolean decay, int groups) {
    /**
     * Checks the name and the groups.
     *
     * @throws IllegalArgumentException for an empty name, a missing weight, or groups that the weight cannot have
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
        if (groups < 1 || groups > 1 && (weight.dimensions() < 3 || weight.rows() % groups != 0)) {
            throw new IllegalArgumentException("groups of '" + name + "' must be 1, or for a convolution's weight a"
                    + " divisor of its first dimension, and is " + groups + " for " + weight);
        }
    }

    /** A parameter of no grouped convolution. */
    public Parameter(String name, Tensor weight, boolean decay) {
        this(name, weight, decay, 1);
    }

    /** A parameter to which weight decay applies. */
    public static Parameter of(String name, Tensor weight) {
        return new Parameter(name, weight, true);
    }

    /** The same without weight decay: what biases and the gains of normalizations usually get. */
    public Parameter withoutDecay() {
        return new Parameter(name, weight, false, groups);
    }

    /** The same as the weight of a grouped convolution, (out channels, in channels / groups, ...). */
    public Parameter withGroups(int groups) {
        return new Parameter(name, weight, decay, groups);
    }
}
