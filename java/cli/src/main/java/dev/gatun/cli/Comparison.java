package dev.gatun.cli;

import com.google.gson.JsonObject;
import dev.gatun.DType;
import dev.gatun.Device;
import dev.gatun.Optimizer;
import dev.gatun.Parameter;
import dev.gatun.ParameterGroup;
import dev.gatun.Rule;
import dev.gatun.Safetensors;
import dev.gatun.StepReport;
import dev.gatun.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A trace replayed through an optimizer on a device, step by step beside what it expects.
 *
 * @param errors worst error by tensor: the largest |weight - expected| over all steps and elements, divided by the largest
 *     |expected| or start weight of that tensor over all steps; NaN if a NaN turned up
 * @param sha256 by tensor, hex of the little-endian bytes of the final weights
 * @param refused the first step that the optimizer refused, and why; null if it refused none
 */
record Comparison(
        Trace trace,
        String optimizer,
        String device,
        String isa,
        int threads,
        DType dtype,
        Map<String, Double> errors,
        Map<String, String> sha256,
        String refused) {
    /** The worst error of all tensors; NaN if one is. */
    double maxError() {
        return errors.values().stream().reduce(0.0, Math::max);
    }

    /** False also for NaN. */
    boolean within(double tolerance) {
        return maxError() <= tolerance;
    }

    /** Replays a trace; {@code out}, if not null, receives the final weights. */
    static Comparison of(Trace trace, Rule rule, Device device, DType dtype, Path out, Progress progress)
            throws IOException {
        try (Arena arena = Arena.ofConfined();
                Placement placement = new Placement(device)) {
            List<Weight> weights = new ArrayList<>();
            trace.weights().forEach((name, start) -> weights.add(new Weight(name, start, dtype, arena, placement)));
            List<Parameter> parameters = weights.stream()
                    .map(weight -> Parameter.of(weight.name, weight.placed))
                    .toList();
            ParameterGroup group = ParameterGroup.of(rule, parameters);
            if (trace.lr() != null) {
                group = group.withSchedule((step, lr) -> trace.lr()[(int) step - 1]);
            }
            String refused = null;
            try (Optimizer optimizer = Optimizer.builder(device).group(group).build()) {
                for (int t = 0; t < trace.steps(); t++) {
                    progress.update(trace.file().getFileName() + ": step " + (t + 1) + " of " + trace.steps());
                    for (int i = 0; i < weights.size(); i++) {
                        optimizer.bindGradient(
                                i, weights.get(i).gradient(trace.gradients().get(t)));
                        if (optimizer.takesInput(i)) {
                            bindInput(
                                    optimizer,
                                    i,
                                    weights.get(i).input(trace.inputs().get(t)),
                                    trace,
                                    t);
                        }
                    }
                    optimizer.step();
                    StepReport report = optimizer.report();
                    if (report.skipped() && refused == null) {
                        refused = "step " + (t + 1) + ": " + report.reason();
                    }
                    for (Weight weight : weights) {
                        weight.compare(trace.expected().get(t).get(weight.name));
                    }
                }
            }
            Map<String, Double> errors = new LinkedHashMap<>();
            Map<String, String> sha256 = new LinkedHashMap<>();
            Map<String, Tensor> last = new LinkedHashMap<>();
            for (Weight weight : weights) {
                errors.put(weight.name, weight.error());
                sha256.put(weight.name, hash(weight.host));
                last.put("weight/" + weight.name, weight.host);
            }
            if (out != null) {
                // Nothing of device, instruction set or threads: equal weights give equal files.
                Map<String, String> metadata = new LinkedHashMap<>();
                metadata.put("optimizer", rule.toString());
                metadata.put("steps", String.valueOf(trace.steps()));
                Safetensors.write(out, metadata, last);
            }
            boolean cpu = device.kind() == Device.Kind.CPU;
            return new Comparison(
                    trace,
                    rule.toString(),
                    DeviceOptions.word(device.kind()),
                    cpu ? DeviceOptions.word(device.isa()) : null,
                    device.threads(),
                    dtype,
                    errors,
                    sha256,
                    refused);
        }
    }

    private static void bindInput(Optimizer optimizer, int index, Tensor input, Trace trace, int t) {
        try {
            optimizer.bindInput(index, input);
        } catch (IllegalArgumentException unfit) {
            throw new BadInput(trace.file() + ": step " + (t + 1) + ": " + unfit.getMessage(), unfit);
        }
    }

    JsonObject json() {
        JsonObject json = new JsonObject();
        json.addProperty("optimizer", optimizer);
        json.addProperty("device", device);
        json.addProperty("isa", isa);
        json.addProperty("threads", threads);
        json.addProperty("dtype", DeviceOptions.word(dtype));
        json.addProperty("steps", trace.steps());
        json.add("max_error", Output.number(maxError()));
        JsonObject tensors = new JsonObject();
        errors.forEach((name, error) -> tensors.add(name, Output.number(error)));
        json.add("tensors", tensors);
        json.add("sha256", Output.tree(sha256));
        return json;
    }

    private static String hash(Tensor tensor) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            // In pieces, because a ByteBuffer ends at 2 GiB.
            long piece = 1L << 20;
            long bytes = tensor.memory().byteSize();
            for (long at = 0; at < bytes; at += piece) {
                digest.update(
                        tensor.memory().asSlice(at, Math.min(piece, bytes - at)).asByteBuffer());
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException impossible) {
            throw new AssertionError("every Java platform has SHA-256", impossible);
        }
    }

    /** One weight on its way through the run, and how far it was from what was expected. */
    private static final class Weight {
        final String name;
        final Tensor host;
        final Tensor placed;
        private final Tensor hostGradient;
        private final Tensor placedGradient;
        private final Placement placement;
        private final Arena arena;
        private Tensor hostInput;
        private Tensor placedInput;
        private double worst;
        private double scale;

        Weight(String name, Tensor start, DType dtype, Arena arena, Placement placement) {
            this.name = name;
            this.placement = placement;
            this.arena = arena;
            host = Tensor.allocate(arena, dtype, start.shape());
            hostGradient = Tensor.allocate(arena, dtype, start.shape());
            fill(host, start);
            placed = placement.place(host);
            placedGradient = placement.place(hostGradient);
            scale = largest(start);
        }

        /** The gradient of a step in the memory that is bound for it, or null if the step has none for this weight. */
        Tensor gradient(Map<String, Tensor> step) {
            Tensor recorded = step.get(name);
            if (recorded == null) {
                return null;
            }
            fill(hostGradient, recorded);
            placement.upload(hostGradient, placedGradient);
            return placedGradient;
        }

        /** The input of this weight's layer at a step, or null if the step has none. */
        Tensor input(Map<String, Tensor> step) {
            Tensor recorded = step.get(name);
            if (recorded == null) {
                return null;
            }
            if (hostInput == null || !Arrays.equals(hostInput.shape(), recorded.shape())) {
                hostInput = Tensor.allocate(arena, host.dtype(), recorded.shape());
                placedInput = placement.place(hostInput);
            }
            fill(hostInput, recorded);
            placement.upload(hostInput, placedInput);
            return placedInput;
        }

        /** Math.max keeps a NaN once there is one, so that it fails in the end. */
        void compare(Tensor expected) {
            if (expected == null) {
                return;
            }
            placement.download(placed, host);
            for (long i = 0; i < host.length(); i++) {
                worst = Math.max(worst, Math.abs(host.get(i) - expected.get(i)));
            }
            scale = Math.max(scale, largest(expected));
        }

        double error() {
            placement.download(placed, host);
            // Compared with nothing but zeros and equal to them: no error. Dividing would make it NaN.
            return worst == 0 ? 0 : worst / scale;
        }

        private static void fill(Tensor target, Tensor source) {
            for (long i = 0; i < target.length(); i++) {
                target.set(i, source.get(i));
            }
        }

        private static double largest(Tensor values) {
            double largest = 0;
            for (long i = 0; i < values.length(); i++) {
                largest = Math.max(largest, Math.abs(values.get(i)));
            }
            return largest;
        }
    }
}
