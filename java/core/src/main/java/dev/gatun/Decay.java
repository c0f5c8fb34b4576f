package dev.gatun;

/**
 * How weight decay {@code lam} enters a step with learning rate {@code lr}. All forms use the weight before the step.
 */
public enum Decay {
    /** In the gradient, before everything else: {@code g = g + lam * w}. */
    L2,
    /** On the weight, the gradient untouched: {@code w = w * (1 - lr * lam)} (Loshchilov and Hutter, 1711.05101). */
    DECOUPLED,
    /** On the weight, whatever the learning rate: {@code w = w * (1 - lam)}. */
    FIXED
}
