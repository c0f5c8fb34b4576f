package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.gatun_ladabelief;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Layer-wise AdaBelief (Zhang et al., 2203.13273, the authors' code): one step size for a whole parameter, and so one number of
 * second-moment state for it.
 *
 * <pre>
 * m = beta1 * m + (1 - beta1) * g;   x = g - m
 * PRE:   v = beta2 * v + (1 - beta2) * mean(x * x) + eps;   w = w - lr / (1 - beta1^t) * m / sqrt(v / (1 - beta2^t))
 * POST:  v as above, elementwise;   w = w - lr / (1 - beta1^t) * mean(1 / sqrt(v / (1 - beta2^t))) * m
 * </pre>
 *
 * State: {@code m} and {@code v}, which is a single double unless {@code POST}.
 *
 * @param lr learning rate, 0 or more
 * @param beta1 decay rate of the first moment, 0 or more and below 1
 * @param beta2 decay rate of the second moment, 0 or more and below 1
 * @param eps added to the state at every step, 0 or more
 * @param weightDecay 0 or more
 * @param decay how weight decay enters
 * @param layerwise {@code PRE} for the published form; {@code POST} averages step sizes
 */
public record LAdaBelief(
        double lr, double beta1, double beta2, double eps, double weightDecay, Decay decay, Layerwise layerwise)
        implements Rule {
    static final RuleForm<LAdaBelief> FORM = RuleForm.of(LAdaBelief.class, LAdaBelief::recipe)
            .name("ladabelief", of(1e-3))
            .about(
                    "AdaBelief with one second moment for a whole layer",
                    "On Exploiting Layerwise Gradient Statistics for Effective Training of Deep Neural Networks",
                    "arXiv 2203.13273v2");

    /**
     * Checks the hyperparameters.
     *
     * @throws IllegalArgumentException with the parameter's name and value, for one out of range
     */
    public LAdaBelief {
        lr = Check.atLeastZero("lr", lr);
        beta1 = Check.belowOne("beta1", beta1);
        beta2 = Check.belowOne("beta2", beta2);
        eps = Check.atLeastZero("eps", eps);
        weightDecay = Check.atLeastZero("weightDecay", weightDecay);
        Check.notNull("decay", decay);
        Check.notNull("layerwise", layerwise);
    }

    /** As published: beta1 0.9, beta2 0.999, eps 1e-8, no weight decay. */
    public static LAdaBelief of(double lr) {
        return new LAdaBelief(lr, 0.9, 0.999, 1e-8, 0, Decay.L2, Layerwise.PRE);
    }

    @Override
    public LAdaBelief withLr(double lr) {
        return new LAdaBelief(lr, beta1, beta2, eps, weightDecay, decay, layerwise);
    }

    /** The same with another {@code beta1}. */
    public LAdaBelief withBeta1(double beta1) {
        return new LAdaBelief(lr, beta1, beta2, eps, weightDecay, decay, layerwise);
    }

    /** The same with another {@code beta2}. */
    public LAdaBelief withBeta2(double beta2) {
        return new LAdaBelief(lr, beta1, beta2, eps, weightDecay, decay, layerwise);
    }

    /** The same with another {@code eps}. */
    public LAdaBelief withEps(double eps) {
        return new LAdaBelief(lr, beta1, beta2, eps, weightDecay, decay, layerwise);
    }

    /** The same with another {@code weightDecay}. */
    public LAdaBelief withWeightDecay(double weightDecay) {
        return new LAdaBelief(lr, beta1, beta2, eps, weightDecay, decay, layerwise);
    }

    /** The same with another {@code decay}. */
    public LAdaBelief withDecay(Decay decay) {
        return new LAdaBelief(lr, beta1, beta2, eps, weightDecay, decay, layerwise);
    }

    /** The same with another {@code layerwise}. */
    public LAdaBelief withLayerwise(Layerwise layerwise) {
        return new LAdaBelief(lr, beta1, beta2, eps, weightDecay, decay, layerwise);
    }

    @Override
    public String toString() {
        return FORM.print(this);
    }

    private Recipe recipe() {
        List<String> slots = layerwise == Layerwise.POST ? List.of("m", "v") : List.of("m");
        return Recipe.of(new Recipe.Update(GatunC.GATUN_RULE_LADABELIEF(), this, slots, this::arguments)
                .withScalars(layerwise == Layerwise.PRE ? new String[] {"v"} : new String[0])
                .withSummed((layerwise == Layerwise.PRE ? 2 : 3) + (weightDecay > 0 && decay == Decay.L2 ? 1 : 0)));
    }

    private MemorySegment arguments(Arena arena) {
        MemorySegment struct = gatun_ladabelief.allocate(arena);
        gatun_ladabelief.beta1(struct, beta1);
        gatun_ladabelief.beta2(struct, beta2);
        gatun_ladabelief.eps(struct, eps);
        gatun_ladabelief.weight_decay(struct, weightDecay);
        gatun_ladabelief.decay(struct, decay.ordinal());
        gatun_ladabelief.post(struct, layerwise == Layerwise.POST ? 1 : 0);
        return struct;
    }
}
