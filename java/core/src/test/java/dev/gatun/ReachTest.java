package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What a rule says of its reach is what its steps do: rules are cut in two, given other weights and neighbours. */
class ReachTest {
    private static final int STEPS = 7;
    private static final int LENGTH = 60;
    private static final int CUT = 25;

    /** Every rule with its weight decay and without. */
    static Stream<String> specifications() {
        return Subject.SPECIFICATIONS.stream()
                .flatMap(text -> Stream.of(text, text.replaceAll("weight_decay=[0-9.e-]+", "weight_decay=0")))
                .distinct();
    }

    /** Weights and state of the first {@link #LENGTH} elements, in order, after some steps. */
    private record Outcome(List<Double> weights, List<Double> state) {}

    /** Steps from weights that are all {@code start}, as parameters that are {@code lengths} long, one behind another. */
    private static Outcome steps(Rule rule, double start, int... lengths) {
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cpu(1)) {
            List<Parameter> parameters = new ArrayList<>();
            List<Tensor> gradients = new ArrayList<>();
            for (int length : lengths) {
                Tensor weight = Tensor.allocate(arena, DType.F64, 1, length);
                for (int i = 0; i < length; i++) {
                    weight.set(i, start);
                }
                parameters.add(Parameter.of("p" + parameters.size(), weight));
                gradients.add(Tensor.allocate(arena, DType.F64, 1, length));
            }
            try (Optimizer optimizer = Optimizer.of(device, rule, parameters)) {
                optimizer.bindGradients(gradients);
                for (int t = 1; t <= STEPS; t++) {
                    int element = 0;
                    for (Tensor gradient : gradients) {
                        for (int i = 0; i < gradient.length(); i++) {
                            // nearly at right angles to the weights: AdamP and SGDP project only such steps
                            gradient.set(i, Math.sin(3.7 * element++ + t));
                        }
                    }
                    optimizer.step();
                }
                List<Double> weights = new ArrayList<>();
                List<Double> state = new ArrayList<>();
                for (int p = 0; weights.size() < LENGTH; p++) {
                    add(weights, parameters.get(p).weight());
                    for (String slot : rule.slots()) {
                        add(state, optimizer.state(p, slot));
                    }
                }
                return new Outcome(weights, state.stream().sorted().toList());
            }
        }
    }

    private static void add(List<Double> values, Tensor tensor) {
        for (double value : tensor.toDoubles()) {
            values.add(value);
        }
    }

    @ParameterizedTest
    @MethodSource("specifications")
    void rulesThatDoNotLookAtTheirTensorMayBeCut(String specification) {
        Rule rule = Rule.parse(specification);
        Outcome whole = steps(rule, 0.25, LENGTH);
        Outcome cut = steps(rule, 0.25, CUT, LENGTH - CUT);
        boolean same = whole.equals(cut);
        if (rule.reach().compareTo(Rule.Reach.WEIGHT) <= 0) {
            assertThat(same).isTrue();
        } else if (rule.reach() == Rule.Reach.TENSOR && Subject.SPECIFICATIONS.contains(specification)) {
            // Not asked of LAMB and LARS without decay, whose trust ratio is then 1, nor of a clip over all tensors,
            // whose norm is the same however they are cut.
            assertThat(same).isFalse();
        }
    }

    @ParameterizedTest
    @MethodSource("specifications")
    void rulesThatDoNotLookAtOtherTensorsMayHaveAnyNeighbour(String specification) {
        Rule rule = Rule.parse(specification);
        boolean same = steps(rule, 0.25, LENGTH)
                .weights()
                .equals(steps(rule, 0.25, LENGTH, 40).weights());
        assertThat(same).isEqualTo(rule.reach() != Rule.Reach.ALL);
    }

    @ParameterizedTest
    @MethodSource("specifications")
    void rulesThatDoNotLookAtTheirWeightsMayHaveAny(String specification) {
        Rule rule = Rule.parse(specification);
        Outcome low = steps(rule, 0.25, LENGTH);
        Outcome high = steps(rule, 1.25, LENGTH);
        boolean same = low.state().equals(high.state());
        for (int i = 0; i < LENGTH; i++) {
            same &= Math.abs(high.weights().get(i) - low.weights().get(i) - 1) < 1e-12;
        }
        if (rule.reach().compareTo(Rule.Reach.WEIGHT) <= 0) {
            assertThat(same).isEqualTo(rule.reach() == Rule.Reach.GRADIENT);
        }
    }
}
