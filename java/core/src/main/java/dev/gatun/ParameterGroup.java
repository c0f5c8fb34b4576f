package dev.gatun;

import java.util.List;

/**
 * Parameters that share a rule and a schedule.
 *
 * @param parameters may be none, and of mixed types
 * @param rule how they are updated
 * @param schedule the learning rate at every step, from the rule's
 */
public record ParameterGroup(List<Parameter> parameters, Rule rule, Schedule schedule) {
    /** Copies the list. */
    public ParameterGroup {
        parameters = List.copyOf(Check.notNull("parameters", parameters));
        Check.notNull("rule", rule);
        Check.notNull("schedule", schedule);
    }

    /** A group with the rule's own learning rate at every step. */
    public static ParameterGroup of(Rule rule, List<Parameter> parameters) {
        return new ParameterGroup(parameters, rule, Schedule.constant());
    }

    /** The same without weight decay for tensors of fewer than two dimensions: biases, and gains of normalizations. */
    public ParameterGroup withoutDecayOfVectors() {
        List<Parameter> exempt = parameters.stream()
                .map(parameter -> parameter.weight().dimensions() < 2 ? parameter.withoutDecay() : parameter)
                .toList();
        return new ParameterGroup(exempt, rule, schedule);
    }

    /** The same with another schedule. */
    public ParameterGroup withSchedule(Schedule schedule) {
        return new ParameterGroup(parameters, rule, schedule);
    }
}
