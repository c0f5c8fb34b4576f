package dev.gatun;

import java.util.List;
import java.util.Map;

/**
 * How PyTorch calls an optimizer's state. A tensor's full name is {@code state.<parameter>.<name>}, as
 * {@code torch.distributed.checkpoint.state_dict} flattens an optimizer's state; weights have their parameter's name alone.
 */
final class PyTorchNames {
    static final String STATE = "state.";
    static final String STEP = "step";
    static final String PARAM_GROUPS = "param_groups.";

    private static final Map<String, String> NAMES =
            Map.of("m", "exp_avg", "v", "exp_avg_sq", "vmax", "max_exp_avg_sq", "b", "momentum_buffer");

    /** AdaBelief's second moment is of what the gradient differs from the first by. */
    private static final Map<String, String> BELIEF = Map.of("v", "exp_avg_var", "vmax", "max_exp_avg_var");

    private PyTorchNames() {}

    /** The name of a rule's slot. Slots that PyTorch's optimizers do not have keep Gatun's name. */
    static String of(Rule rule, String slot) {
        Rule update = RuleForm.recipe(rule).update().hyperparameters();
        String belief = update instanceof AdaBelief || update instanceof LAdaBelief ? BELIEF.get(slot) : null;
        return belief != null ? belief : NAMES.getOrDefault(slot, slot);
    }

    /** A rule's names in the order of its slots. */
    static List<String> of(Rule rule) {
        return rule.slots().stream().map(slot -> of(rule, slot)).toList();
    }
}
