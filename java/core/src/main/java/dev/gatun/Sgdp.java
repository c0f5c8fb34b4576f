package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.gatun_sgdp;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * SGDP (Heo et al., 2006.08217): SGD with momentum, but where the gradient is nearly orthogonal to the weights, as it is in front
 * of a normalization, the step loses its part along the weights and weight decay is multiplied by {@code wdRatio}.
 * Vectors keep plain
 * SGD. The authors' code without Nesterov also projects the momentum, as its step is an alias of it; here, as in the
 * paper, the momentum stays.
 *
 * <pre>
 * b = momentum * b + (1 - dampening) * g;   u = b, with Nesterov g + momentum * b
 * if abs(cos(g, w)) &lt; delta / sqrt(length of a row) in every row, else if so in the whole tensor, in those parts:
 * u = u - w * dot(w, u) / (norm(w) + eps)^2;   decay = wdRatio * weightDecay, else weightDecay
 * w = w * (1 - lr * decay / (1 - momentum)) - lr * u
 * </pre>
 *
 * State: {@code b}, if momentum is above 0.
 *
 * @param lr learning rate, 0 or more
 * @param momentum 0 or more and below 1
 * @param dampening of the gradient that enters the momentum, from 0 to 1
 * @param nesterov needs momentum above 0
 * @param weightDecay decoupled; 0 or more
 * @param eps added to norms, 0 or more
 * @param delta how nearly orthogonal a gradient must be, 0 or more; 0 for never
 * @param wdRatio how much of the weight decay is left then, 0 or more
 */
public record Sgdp(
        double lr,
        double momentum,
        double dampening,
        boolean nesterov,
        double weightDecay,
        double eps,
        double delta,
        double wdRatio)
        implements Rule {
    static final RuleForm<Sgdp> FORM = RuleForm.of(Sgdp.class, Sgdp::recipe)
            .name("sgdp", of(0), "lr")
            .about(
                    "SGD without steps along weights that a normalization makes scale-invariant",
                    "AdamP: Slowing Down the Slowdown for Momentum Optimizers on Scale-invariant Weights",
                    "arXiv 2006.08217");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public Sgdp {
        lr = Check.atLeastZero("lr", lr);
        momentum = Check.belowOne("momentum", momentum);
        dampening = Check.fraction("dampening", dampening);
        weightDecay = Check.atLeastZero("weightDecay", weightDecay);
        eps = Check.atLeastZero("eps", eps);
        delta = Check.atLeastZero("delta", delta);
        wdRatio = Check.atLeastZero("wdRatio", wdRatio);
        if (nesterov && momentum == 0) {
            throw new IllegalArgumentException("nesterov needs momentum above 0, and momentum is " + momentum);
        }
    }

    /** Momentum 0.9, no weight decay, eps 1e-8, delta 0.1, wdRatio 0.1. */
    public static Sgdp of(double lr) {
        return new Sgdp(lr, 0.9, 0, false, 0, 1e-8, 0.1, 0.1);
    }

    @Override
    public Sgdp withLr(double lr) {
        return new Sgdp(lr, momentum, dampening, nesterov, weightDecay, eps, delta, wdRatio);
    }

    /** The same with another {@code momentum}. */
    public Sgdp withMomentum(double momentum) {
        return new Sgdp(lr, momentum, dampening, nesterov, weightDecay, eps, delta, wdRatio);
    }

    /** The same with another {@code dampening}. */
    public Sgdp withDampening(double dampening) {
        return new Sgdp(lr, momentum, dampening, nesterov, weightDecay, eps, delta, wdRatio);
    }

    /** The same with another {@code nesterov}. */
    public Sgdp withNesterov(boolean nesterov) {
        return new Sgdp(lr, momentum, dampening, nesterov, weightDecay, eps, delta, wdRatio);
    }

    /** The same with another {@code weightDecay}. */
    public Sgdp withWeightDecay(double weightDecay) {
        return new Sgdp(lr, momentum, dampening, nesterov, weightDecay, eps, delta, wdRatio);
    }

    /** The same with another {@code eps}. */
    public Sgdp withEps(double eps) {
        return new Sgdp(lr, momentum, dampening, nesterov, weightDecay, eps, delta, wdRatio);
    }

    /** The same with another {@code delta}. */
    public Sgdp withDelta(double delta) {
        return new Sgdp(lr, momentum, dampening, nesterov, weightDecay, eps, delta, wdRatio);
    }

    /** The same with another {@code wdRatio}. */
    public Sgdp withWdRatio(double wdRatio) {
        return new Sgdp(lr, momentum, dampening, nesterov, weightDecay, eps, delta, wdRatio);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        List<String> slots = momentum > 0 ? List.of("b") : List.of();
        return Recipe.of(
                new Recipe.Update(GatunC.GATUN_RULE_SGDP(), this, slots, this::arguments).withSummed(2 + slots.size()));
    }

    private MemorySegment arguments(Arena arena) {
        MemorySegment struct = gatun_sgdp.allocate(arena);
        gatun_sgdp.momentum(struct, momentum);
        gatun_sgdp.dampening(struct, dampening);
        gatun_sgdp.weight_decay(struct, weightDecay);
        gatun_sgdp.eps(struct, eps);
        gatun_sgdp.delta(struct, delta);
        gatun_sgdp.wd_ratio(struct, wdRatio);
        gatun_sgdp.nesterov(struct, nesterov ? 1 : 0);
        return struct;
    }
}
