package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.gatun_nsgd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * NSGD and INSGD (2212.09921, versions 1 and 2): gradient descent whose steps are divided by the power of what the layer is
 * fed with, {@link Optimizer#bindInput}. The published code deviates from the paper in several ways; these are the paper's
 * formulas.
 *
 * <pre>
 * N = mean over the batch of sum |x|^p;   P = N, then inputBeta * P + (1 - inputBeta) * N
 * d = P + eps (PLAIN)   or   max(ln P, eps) (LOG)
 * PRE:   g = g / d;   g = g + weightDecay * w;   b = momentum * b + (1 - dampening) * g;   w = w - lr * b
 * POST:               g = g + weightDecay * w;   b = momentum * b + (1 - dampening) * g;   w = w - lr * b / d
 * first step: b = g;   without momentum: b = g;   Nesterov: g + momentum * b in place of b
 * </pre>
 *
 * A weight of two dimensions (out, in) belongs to a dense layer and has one d. Of more dimensions, (out channels, in channels /
 * groups, ...), it is a convolution's and has a d for every input channel, or one with {@link Scope#LAYER}. Weights of fewer
 * dimensions, biases and gains, have no input: d = 1. So has a weight that is never given one.
 *
 * <p>State: {@code b}, if momentum is above 0, and {@code power}, doubles, one for each d, -1 as long as there was no input.
 * {@link #bytesPerParameter} does not count the input, which is read once and can be far larger than the weight.
 *
 * @param lr learning rate, 0 or more
 * @param momentum 0 or more
 * @param dampening from 0 to 1; without momentum it has no effect
 * @param nesterov needs momentum above 0 and dampening 0
 * @param weightDecay 0 or more, added to the gradient
 * @param norm what an input's power is the sum of
 * @param eps above 0
 * @param inputBeta decay rate of the power's average, 0 or more and below 1; 0 for the power of this batch alone
 * @param transform what is made of the power
 * @param order whether gradient or step is divided
 * @param scope what of a convolution's input has a power of its own
 */
public record Nsgd(
        double lr,
        double momentum,
        double dampening,
        boolean nesterov,
        double weightDecay,
        Norm norm,
        double eps,
        double inputBeta,
        Transform transform,
        Order order,
        Scope scope)
        implements Rule {
    static final RuleForm<Nsgd> FORM = RuleForm.of(Nsgd.class, Nsgd::recipe)
            .name("insgd", insgd(0), rule -> rule.transform == Transform.LOG && rule.order == Order.PRE, "lr")
            .about(
                    "gradient descent whose gradients are divided by the logarithm of the power of a layer's input",
                    "Input Normalized Stochastic Gradient Descent Training of Deep Neural Networks",
                    "arXiv 2212.09921v2")
            .name("nsgd", of(0), "lr")
            .about(
                    "gradient descent whose steps are divided by the power of a layer's input",
                    "Normalized Stochastic Gradient Descent Training of Deep Neural Networks",
                    "arXiv 2212.09921v1");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public Nsgd {
        lr = Check.atLeastZero("lr", lr);
        momentum = Check.atLeastZero("momentum", momentum);
        dampening = Check.fraction("dampening", dampening);
        weightDecay = Check.atLeastZero("weightDecay", weightDecay);
        Check.notNull("norm", norm);
        eps = Check.aboveZero("eps", eps);
        inputBeta = Check.belowOne("inputBeta", inputBeta);
        Check.notNull("transform", transform);
        Check.notNull("order", order);
        Check.notNull("scope", scope);
        Sgd.requireNesterovCan(nesterov, momentum, dampening);
    }

    /** What an input's power is the sum of. */
    public enum Norm {
        /** Absolute values. */
        L1,
        /** Squares. */
        L2
    }

    /** What is made of the power. */
    public enum Transform {
        /** d = P + eps. */
        PLAIN,
        /** d = max(ln P, eps). */
        LOG
    }

    /** Whether gradient or step is divided. */
    public enum Order {
        /** The gradient, before decay and momentum: the author's Algorithm 1. */
        PRE,
        /** The step: all published code. */
        POST
    }

    /** What of a convolution's input has a power of its own. */
    public enum Scope {
        /** Every channel. */
        CHANNEL,
        /** The layer's input as a whole. */
        LAYER
    }

    /** NSGD, version 1 of the paper: squares, d = P + eps with eps 0.01, the step divided; momentum 0.9. */
    public static Nsgd of(double lr) {
        return new Nsgd(lr, 0.9, 0, false, 0, Norm.L2, 0.01, 0, Transform.PLAIN, Order.POST, Scope.CHANNEL);
    }

    /** INSGD, version 2 of the paper: squares, d = max(ln P, 0.01), the gradient divided; momentum 0.9. */
    public static Nsgd insgd(double lr) {
        return of(lr).withTransform(Transform.LOG).withOrder(Order.PRE);
    }

    @Override
    public Nsgd withLr(double lr) {
        return new Nsgd(lr, momentum, dampening, nesterov, weightDecay, norm, eps, inputBeta, transform, order, scope);
    }

    /** The same with another {@code momentum}. */
    public Nsgd withMomentum(double momentum) {
        return new Nsgd(lr, momentum, dampening, nesterov, weightDecay, norm, eps, inputBeta, transform, order, scope);
    }

    /** The same with another {@code dampening}. */
    public Nsgd withDampening(double dampening) {
        return new Nsgd(lr, momentum, dampening, nesterov, weightDecay, norm, eps, inputBeta, transform, order, scope);
    }

    /** The same with another {@code nesterov}. */
    public Nsgd withNesterov(boolean nesterov) {
        return new Nsgd(lr, momentum, dampening, nesterov, weightDecay, norm, eps, inputBeta, transform, order, scope);
    }

    /** The same with another {@code weightDecay}. */
    public Nsgd withWeightDecay(double weightDecay) {
        return new Nsgd(lr, momentum, dampening, nesterov, weightDecay, norm, eps, inputBeta, transform, order, scope);
    }

    /** The same with another {@code norm}. */
    public Nsgd withNorm(Norm norm) {
        return new Nsgd(lr, momentum, dampening, nesterov, weightDecay, norm, eps, inputBeta, transform, order, scope);
    }

    /** The same with another {@code eps}. */
    public Nsgd withEps(double eps) {
        return new Nsgd(lr, momentum, dampening, nesterov, weightDecay, norm, eps, inputBeta, transform, order, scope);
    }

    /** The same with another {@code inputBeta}. */
    public Nsgd withInputBeta(double inputBeta) {
        return new Nsgd(lr, momentum, dampening, nesterov, weightDecay, norm, eps, inputBeta, transform, order, scope);
    }

    /** The same with another {@code transform}. */
    public Nsgd withTransform(Transform transform) {
        return new Nsgd(lr, momentum, dampening, nesterov, weightDecay, norm, eps, inputBeta, transform, order, scope);
    }

    /** The same with another {@code order}. */
    public Nsgd withOrder(Order order) {
        return new Nsgd(lr, momentum, dampening, nesterov, weightDecay, norm, eps, inputBeta, transform, order, scope);
    }

    /** The same with another {@code scope}. */
    public Nsgd withScope(Scope scope) {
        return new Nsgd(lr, momentum, dampening, nesterov, weightDecay, norm, eps, inputBeta, transform, order, scope);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        List<String> slots = momentum > 0 ? List.of("b") : List.of();
        return Recipe.of(
                new Recipe.Update(GatunC.GATUN_RULE_NSGD(), this, slots, this::arguments).withInputs(this::powers));
    }

    private long powers(Parameter parameter) {
        Tensor weight = parameter.weight();
        if (weight.dimensions() < 2) {
            return 0;
        }
        return weight.dimensions() == 2 || scope == Scope.LAYER ? 1 : weight.shape()[1] * parameter.groups();
    }

    private MemorySegment arguments(Arena arena) {
        MemorySegment struct = gatun_nsgd.allocate(arena);
        gatun_nsgd.momentum(struct, momentum);
        gatun_nsgd.dampening(struct, dampening);
        gatun_nsgd.weight_decay(struct, weightDecay);
        gatun_nsgd.eps(struct, eps);
        gatun_nsgd.input_beta(struct, inputBeta);
        gatun_nsgd.nesterov(struct, nesterov ? 1 : 0);
        gatun_nsgd.l1(struct, norm == Norm.L1 ? 1 : 0);
        gatun_nsgd.log(struct, transform == Transform.LOG ? 1 : 0);
        gatun_nsgd.pre(struct, order == Order.PRE ? 1 : 0);
        return struct;
    }
}
