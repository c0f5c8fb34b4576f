package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.gatun_adam;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Adam (Kingma and Ba, 1412.6980), AdamW (Loshchilov and Hutter, 1711.05101), AMSGrad (Reddi et al., 1904.09237) and
 * the softplus denominator of SAdam (Tong et al., 1908.00700).
 *
 * <pre>
 * m = beta1 * m + (1 - beta1) * g;   v = beta2 * v + (1 - beta2) * g * g
 * d = sqrt(v / (1 - beta2^t)) + eps;   w = w - lr / (1 - beta1^t) * m / d
 * </pre>
 *
 * {@code t} counts the steps of the tensor. State: {@code m}, {@code v}, and {@code vmax} with AMSGrad.
 *
 * @param lr learning rate, 0 or more
 * @param beta1 decay rate of the first moment, 0 or more and below 1
 * @param beta2 decay rate of the second moment, 0 or more and below 1
 * @param eps added to the root, 0 or more; without effect where softplus is on
 * @param weightDecay 0 or more
 * @param decay how weight decay enters: {@link Decay#L2} is Adam, {@link Decay#DECOUPLED} is AdamW
 * @param amsgrad whether the largest second moment so far takes the place of the second moment
 * @param softplus 0 for off; else d is {@code log(1 + exp(softplus * root)) / softplus} instead of {@code root + eps}
 */
public record Adam(
        double lr,
        double beta1,
        double beta2,
        double eps,
        double weightDecay,
        Decay decay,
        boolean amsgrad,
        double softplus)
        implements Rule {
    static final RuleForm<Adam> FORM = RuleForm.of(Adam.class, Adam::recipe)
            .name("adamw", w(1e-3), rule -> rule.decay == Decay.DECOUPLED)
            .about(
                    "Adam with weight decay taken off the weights, not added to the gradients",
                    "Decoupled Weight Decay Regularization",
                    "arXiv 1711.05101")
            .name("adam", of(1e-3))
            .about(
                    "steps scaled by running means of the gradients and of their squares",
                    "Adam: A Method for Stochastic Optimization",
                    "arXiv 1412.6980");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public Adam {
        lr = Check.atLeastZero("lr", lr);
        beta1 = Check.belowOne("beta1", beta1);
        beta2 = Check.belowOne("beta2", beta2);
        eps = Check.atLeastZero("eps", eps);
        weightDecay = Check.atLeastZero("weightDecay", weightDecay);
        Check.notNull("decay", decay);
        softplus = Check.atLeastZero("softplus", softplus);
    }

    /** Adam with the paper's defaults: beta1 0.9, beta2 0.999, eps 1e-8, no weight decay. */
    public static Adam of(double lr) {
        return new Adam(lr, 0.9, 0.999, 1e-8, 0, Decay.L2, false, 0);
    }

    /** AdamW: Adam with decoupled weight decay 0.01. */
    public static Adam w(double lr) {
        return new Adam(lr, 0.9, 0.999, 1e-8, 0.01, Decay.DECOUPLED, false, 0);
    }

    @Override
    public Adam withLr(double lr) {
        return new Adam(lr, beta1, beta2, eps, weightDecay, decay, amsgrad, softplus);
    }

    /** The same with another decay rate of the first moment. */
    public Adam withBeta1(double beta1) {
        return new Adam(lr, beta1, beta2, eps, weightDecay, decay, amsgrad, softplus);
    }

    /** The same with another decay rate of the second moment. */
    public Adam withBeta2(double beta2) {
        return new Adam(lr, beta1, beta2, eps, weightDecay, decay, amsgrad, softplus);
    }

    /** The same with another eps. */
    public Adam withEps(double eps) {
        return new Adam(lr, beta1, beta2, eps, weightDecay, decay, amsgrad, softplus);
    }

    /** The same with another weight decay. */
    public Adam withWeightDecay(double weightDecay) {
        return new Adam(lr, beta1, beta2, eps, weightDecay, decay, amsgrad, softplus);
    }

    /** The same with another form of weight decay. */
    public Adam withDecay(Decay decay) {
        return new Adam(lr, beta1, beta2, eps, weightDecay, decay, amsgrad, softplus);
    }

    /** The same with or without AMSGrad. */
    public Adam withAmsgrad(boolean amsgrad) {
        return new Adam(lr, beta1, beta2, eps, weightDecay, decay, amsgrad, softplus);
    }

    /** The same with another softplus denominator, 0 for none. */
    public Adam withSoftplus(double softplus) {
        return new Adam(lr, beta1, beta2, eps, weightDecay, decay, amsgrad, softplus);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        List<String> slots = amsgrad ? List.of("m", "v", "vmax") : List.of("m", "v");
        return Recipe.of(new Recipe.Update(GatunC.GATUN_RULE_ADAM(), this, slots, this::arguments));
    }

    private MemorySegment arguments(Arena arena) {
        MemorySegment struct = gatun_adam.allocate(arena);
        gatun_adam.beta1(struct, beta1);
        gatun_adam.beta2(struct, beta2);
        gatun_adam.eps(struct, eps);
        gatun_adam.weight_decay(struct, weightDecay);
        gatun_adam.softplus(struct, softplus);
        gatun_adam.decay(struct, decay.ordinal());
        gatun_adam.amsgrad(struct, amsgrad ? 1 : 0);
        return struct;
    }
}
