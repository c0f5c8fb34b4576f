package dev.gatun;

/**
 * Euclidean norms of one parameter at one step.
 *
 * @param name the parameter's
 * @param gradient of the gradient, scaled by {@link Optimizer#gradientScale} and {@link Optimizer#lossScale} and before any
 *     transformation; NaN if it had none, or the step needed no sums of it
 * @param update of the weight after the step minus the weight before it, decay and averages included; for weights of BF16
 *     and F16 of their masters, which begin at the first step: NaN there. NaN if not measured
 */
public record LayerNorms(String name, double gradient, double update) {}
