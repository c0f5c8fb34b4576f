package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Short trajectories by oracles of the rules around the five families, which were checked against published code. */
class GoldenTest {
    private static final Map<String, String> SPECIFICATIONS = new TreeMap<>(Map.ofEntries(
            Map.entry("adamw", "adamw(lr=0.01, weight_decay=0.1)"),
            Map.entry("sgd_nesterov", "sgd(lr=0.1, momentum=0.9, nesterov=true, weight_decay=0.01)"),
            Map.entry("radam_official", "radam(lr=0.01, weight_decay=0.1)"),
            Map.entry("radam_sgd", "radam(lr=0.01, weight_decay=0.1, degenerate_to_sgd=true)"),
            Map.entry("lookahead_sgdm", "lookahead(sgd(lr=0.1, momentum=0.9), k=5, alpha=0.5)"),
            Map.entry("lookahead_adamw_k1", "lookahead(adamw(lr=0.01, weight_decay=0.1), k=1, alpha=0.8)"),
            Map.entry("lars_apex", "lars(lr=0.2, weight_decay=1e-4)"),
            Map.entry("lars_byol", "lars(lr=0.2, weight_decay=1e-4, variant=byol)"),
            Map.entry("lamb", "lamb(lr=0.01)"),
            Map.entry("generic_adam_r05", "generic_adam(lr=0.01, r=0.5)"),
            Map.entry("adamp", "adamp(lr=0.01, weight_decay=0.1)"),
            Map.entry("sgdp", "sgdp(lr=0.1, weight_decay=0.01)"),
            Map.entry("ema_byol", "ema(sgd(lr=0.1, momentum=0.9), tau=0.9, tau_schedule=byol, steps=9)")));

    static Stream<Arguments> trajectories() {
        return SPECIFICATIONS.keySet().stream()
                .flatMap(name -> Stream.of(DType.F32, DType.F64).map(dtype -> Arguments.of(name, dtype)));
    }

    @ParameterizedTest
    @MethodSource("trajectories")
    void isFollowed(String name, DType dtype) throws IOException {
        Golden golden = Golden.read(name);
        double worst = 0;
        double worstAverage = 0;
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cpu(2)) {
            List<Parameter> parameters = new ArrayList<>();
            List<Tensor> gradients = new ArrayList<>();
            int start = 0;
            for (long[] shape : golden.shapes()) {
                Tensor weight = Tensor.allocate(arena, dtype, shape);
                fill(weight, golden.start(), start);
                start += (int) weight.length();
                parameters.add(Parameter.of("p" + parameters.size(), weight));
                gradients.add(Tensor.allocate(arena, dtype, shape));
            }
            try (Optimizer optimizer = Optimizer.of(device, Rule.parse(SPECIFICATIONS.get(name)), parameters)) {
                optimizer.bindGradients(gradients);
                int at = 0;
                while (at < golden.gradients().length) {
                    int first = at;
                    for (Tensor gradient : gradients) {
                        fill(gradient, golden.gradients(), first);
                        first += (int) gradient.length();
                    }
                    optimizer.step();
                    for (int p = 0; p < parameters.size(); p++) {
                        worst = Math.max(worst, difference(parameters.get(p).weight(), golden.trajectory(), at));
                        if (golden.average().length > 0) {
                            worstAverage =
                                    Math.max(worstAverage, difference(optimizer.state(p, "ema"), golden.average(), at));
                        }
                        at += (int) gradients.get(p).length();
                    }
                }
                assertThat(optimizer.steps()).isGreaterThanOrEqualTo(12);
            }
        }
        double gate = dtype == DType.F64 ? 1e-12 : 2e-6;
        assertThat(worst).isLessThanOrEqualTo(gate);
        assertThat(worstAverage).isLessThanOrEqualTo(gate);
    }

    private static void fill(Tensor tensor, double[] values, int from) {
        for (int i = 0; i < tensor.length(); i++) {
            tensor.set(i, values[from + i]);
        }
    }

    /** Relative to the larger of 1 and the value; NaN if a value is NaN, so that no gate holds. */
    private static double difference(Tensor actual, double[] expected, int from) {
        double worst = 0;
        for (int i = 0; i < actual.length(); i++) {
            double e = expected[from + i];
            worst = Math.max(worst, Math.abs(actual.get(i) - e) / Math.max(1, Math.abs(e)));
        }
        return worst;
    }

    /** All numbers of a file, flat: every step's gradients and weights one after another. */
    private record Golden(
            List<long[]> shapes, double[] start, double[] gradients, double[] trajectory, double[] average) {
        private static final Pattern NUMBER = Pattern.compile("-?\\d[-+.eE\\d]*");

        static Golden read(String name) throws IOException {
            try (InputStream file = GoldenTest.class.getResourceAsStream("/golden/" + name + ".json")) {
                String text = new String(file.readAllBytes(), StandardCharsets.UTF_8);
                List<long[]> shapes = new ArrayList<>();
                Matcher shape = Pattern.compile("\\[[\\d, ]+\\]").matcher(array(text, "shapes"));
                while (shape.find()) {
                    shapes.add(NUMBER.matcher(shape.group())
                            .results()
                            .mapToLong(n -> Long.parseLong(n.group()))
                            .toArray());
                }
                return new Golden(
                        shapes,
                        numbers(text, "p0"),
                        numbers(text, "grads"),
                        numbers(text, "trajectory"),
                        numbers(text, "average"));
            }
        }

        private static double[] numbers(String text, String key) {
            return NUMBER.matcher(array(text, key))
                    .results()
                    .mapToDouble(n -> Double.parseDouble(n.group()))
                    .toArray();
        }

        /** What stands behind a key; nothing where there is none. */
        private static String array(String text, String key) {
            Matcher found = Pattern.compile("\"" + key + "\": (\\[[^\"}]*)").matcher(text);
            return found.find() ? found.group(1) : "";
        }
    }
}
