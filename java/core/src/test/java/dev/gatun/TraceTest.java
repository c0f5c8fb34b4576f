package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Recorded trainings, computed by oracles that were checked against the authors' code, come out the same. */
@Tag("device")
class TraceTest {
    static final List<String> TRACES = List.of(
            "sgd_momentum",
            "sgd_nesterov",
            "adam",
            "amsgrad",
            "adamw",
            "adabelief",
            "adabelief_rectified",
            "radam",
            "sing",
            "sing_plain",
            "sing_sgd",
            "sing_adabelief",
            "pnm",
            "pnm_l2",
            "adapnm",
            "adapnm_plain",
            "aida",
            "aida_k1",
            "aida_k3",
            "ladam",
            "ladam_post",
            "ladabelief",
            "ladabelief_post",
            "adal",
            "adal_literal",
            "adal_global",
            "lamb",
            "lamb_unclipped",
            "lars",
            "lars_byol",
            "generic_adam",
            "adamp",
            "sgdp",
            "nsgd",
            "nsgd_l1_memory",
            "nsgd_layer",
            "insgd",
            "lookahead_adam");

    static Stream<Arguments> traces() {
        return TRACES.stream().flatMap(name -> Stream.of(DType.F32, DType.F64).map(dtype -> Arguments.of(name, dtype)));
    }

    @ParameterizedTest
    @MethodSource("traces")
    void comesOutAsRecorded(String name, DType dtype) throws Exception {
        Safetensors trace = Safetensors.read(Path.of(
                TraceTest.class.getResource("/traces/" + name + ".safetensors").toURI()));
        Rule rule = Rule.parse(trace.metadata().get("optimizer"));
        int steps = Integer.parseInt(trace.metadata().get("steps"));
        try (Arena arena = Arena.ofConfined();
                Device device = TestDevice.open(2)) {
            List<Tensor> weights = new ArrayList<>();
            List<Parameter> parameters = new ArrayList<>();
            double[] largest = new double[6];
            double[] worst = new double[6];
            for (String tensor : trace.names()) {
                if (tensor.startsWith("weight/")) {
                    Tensor weight = copy(arena, trace.tensor(tensor), dtype);
                    largest[parameters.size()] = largest(trace.tensor(tensor));
                    weights.add(weight);
                    parameters.add(Parameter.of(tensor.substring("weight/".length()), weight));
                }
            }
            assertThat(parameters).hasSize(6);
            List<DeviceMemory> inputs = new ArrayList<>();
            try (Mirror mirror = Mirror.of(device, parameters);
                    Optimizer optimizer =
                            TestDevice.build(Optimizer.builder(device).group(rule, mirror.parameters()))) {
                assertThat(mirror.mirrors()).isEqualTo(TestDevice.isCuda());
                for (int t = 1; t <= steps; t++) {
                    for (int p = 0; p < parameters.size(); p++) {
                        String gradient = "grad/" + t + "/" + parameters.get(p).name();
                        boolean given = trace.names().contains(gradient);
                        mirror.bindGradient(optimizer, p, given ? copy(arena, trace.tensor(gradient), dtype) : null);
                        String input = "input/" + t + "/" + parameters.get(p).name();
                        if (optimizer.takesInput(p) && trace.names().contains(input)) {
                            optimizer.bindInput(p, placed(device, copy(arena, trace.tensor(input), dtype), inputs));
                        }
                    }
                    mirror.step(optimizer);
                    for (int p = 0; p < parameters.size(); p++) {
                        Tensor expected = trace.tensor(
                                "expect/" + t + "/" + parameters.get(p).name());
                        largest[p] = Math.max(largest[p], largest(expected));
                        worst[p] = Math.max(worst[p], difference(weights.get(p), expected));
                    }
                }
            }
            inputs.forEach(DeviceMemory::close);
            for (int p = 0; p < worst.length; p++) {
                assertThat(worst[p] / largest[p])
                        .as(parameters.get(p).name())
                        .isLessThanOrEqualTo(dtype == DType.F64 ? 1e-12 : 5e-6);
            }
        }
    }

    /** Where the device can read it. */
    private static Tensor placed(Device device, Tensor host, List<DeviceMemory> owned) {
        if (device.kind() == Device.Kind.CPU) {
            return host;
        }
        owned.add(device.allocate(host.memory().byteSize()));
        MemorySegment memory = owned.getLast().segment();
        device.copy(memory, host.memory());
        return new Tensor(memory, host.dtype(), device.kind(), host.shape());
    }

    private static Tensor copy(Arena arena, Tensor from, DType dtype) {
        Tensor to = Tensor.allocate(arena, dtype, from.shape());
        for (long i = 0; i < from.length(); i++) {
            to.set(i, from.get(i));
        }
        return to;
    }

    private static double largest(Tensor tensor) {
        double largest = 0;
        for (double value : tensor.toDoubles()) {
            largest = Math.max(largest, Math.abs(value));
        }
        return largest;
    }

    /** NaN if a value is NaN: then no tolerance holds. */
    private static double difference(Tensor actual, Tensor expected) {
        double worst = 0;
        for (long i = 0; i < expected.length(); i++) {
            worst = Math.max(worst, Math.abs(actual.get(i) - expected.get(i)));
        }
        return worst;
    }
}
