package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.gatun_sgd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Stochastic gradient descent, with momentum, dampening and Nesterov's form as in Sutskever et al. (2013).
 *
 * <pre>
 * b = g at a tensor's first step, then momentum * b + (1 - dampening) * g
 * w = w - lr * b,   Nesterov: w - lr * (g + momentum * b)
 * </pre>
 *
 * State: {@code b}, if momentum is above 0.
 *
 * @param lr learning rate, 0 or more
 * @param momentum 0 or more
 * @param dampening from 0 to 1; without momentum it has no effect
 * @param nesterov needs momentum above 0 and dampening 0
 * @param weightDecay 0 or more
 * @param decay how weight decay enters
 */
public record Sgd(double lr, double momentum, double dampening, boolean nesterov, double weightDecay, Decay decay)
        implements Rule {
    static final RuleForm<Sgd> FORM = RuleForm.of(Sgd.class, Sgd::recipe)
            .name("sgd", new Sgd(0, 0, 0, false, 0, Decay.L2), "lr")
            .about(
                    "stochastic gradient descent, here with optional momentum",
                    "On the importance of initialization and momentum in deep learning",
                    "ICML 2013");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public Sgd {
        lr = Check.atLeastZero("lr", lr);
        momentum = Check.atLeastZero("momentum", momentum);
        dampening = Check.fraction("dampening", dampening);
        weightDecay = Check.atLeastZero("weightDecay", weightDecay);
        Check.notNull("decay", decay);
        requireNesterovCan(nesterov, momentum, dampening);
    }

    static void requireNesterovCan(boolean nesterov, double momentum, double dampening) {
        if (nesterov && momentum == 0) {
            throw new IllegalArgumentException("nesterov needs momentum above 0, and momentum is " + momentum);
        }
        if (nesterov && dampening != 0) {
            throw new IllegalArgumentException("nesterov needs dampening 0, and dampening is " + dampening);
        }
    }

    /** Plain gradient descent. */
    public static Sgd of(double lr) {
        return new Sgd(lr, 0, 0, false, 0, Decay.L2);
    }

    @Override
    public Sgd withLr(double lr) {
        return new Sgd(lr, momentum, dampening, nesterov, weightDecay, decay);
    }

    /** The same with another momentum. */
    public Sgd withMomentum(double momentum) {
        return new Sgd(lr, momentum, dampening, nesterov, weightDecay, decay);
    }

    /** The same with another dampening of what the momentum takes in. */
    public Sgd withDampening(double dampening) {
        return new Sgd(lr, momentum, dampening, nesterov, weightDecay, decay);
    }

    /** The same with or without Nesterov's form. */
    public Sgd withNesterov(boolean nesterov) {
        return new Sgd(lr, momentum, dampening, nesterov, weightDecay, decay);
    }

    /** The same with another weight decay. */
    public Sgd withWeightDecay(double weightDecay) {
        return new Sgd(lr, momentum, dampening, nesterov, weightDecay, decay);
    }

    /** The same with another form of weight decay. */
    public Sgd withDecay(Decay decay) {
        return new Sgd(lr, momentum, dampening, nesterov, weightDecay, decay);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        List<String> slots = momentum > 0 ? List.of("b") : List.of();
        return Recipe.of(new Recipe.Update(GatunC.GATUN_RULE_SGD(), this, slots, this::arguments));
    }

    private MemorySegment arguments(Arena arena) {
        MemorySegment struct = gatun_sgd.allocate(arena);
        gatun_sgd.momentum(struct, momentum);
        gatun_sgd.dampening(struct, dampening);
        gatun_sgd.weight_decay(struct, weightDecay);
        gatun_sgd.decay(struct, decay.ordinal());
        gatun_sgd.nesterov(struct, nesterov ? 1 : 0);
        return struct;
    }
}
