package dev.gatun.cli;

import com.google.gson.JsonObject;
import dev.gatun.DType;
import dev.gatun.Device;
import dev.gatun.Rule;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.Map;

/** Replays of a recorded trace: how far from the recorded weights each optimizer ends up with the recorded gradients. */
final class TraceTrials implements Trials {
    private final Trace trace;
    private final Device device;
    private final DType dtype;
    private final Progress progress;

    TraceTrials(Trace trace, Device device, DType dtype, PrintWriter err) {
        this.trace = trace;
        this.device = device;
        this.dtype = dtype;
        this.progress = new Progress(err);
    }

    @Override
    public String summary() {
        return "%s: %d tensors, %d steps%s"
                .formatted(
                        trace.file(),
                        trace.weights().size(),
                        trace.steps(),
                        trace.optimizer() == null ? "" : ", recorded with " + trace.optimizer());
    }

    @Override
    public String measure() {
        return "error";
    }

    @Override
    public String optimizers() {
        if (trace.optimizer() == null) {
            throw new BadInput(trace.file() + ": it does not say what it was recorded with; pass --optimizers");
        }
        return trace.optimizer();
    }

    @Override
    public Trial run(Rule rule, String label) throws IOException {
        progress.stage(label);
        Comparison replayed = Comparison.of(withLargestRate(rule.lr()), rule, device, dtype, null, progress);
        progress.clear();
        return new Trial(
                rule,
                rule.lr(),
                replayed.maxError(),
                Map.of(),
                replayed.refused() == null ? "" : "refused " + replayed.refused());
    }

    /** Learning rates in the trace keep their shape: their largest becomes the one to try. */
    private Trace withLargestRate(double lr) {
        if (trace.lr() == null) {
            return trace;
        }
        double largest = Arrays.stream(trace.lr()).max().orElse(0);
        double[] rates = Arrays.stream(trace.lr())
                .map(rate -> largest == 0 ? 0 : rate / largest * lr)
                .toArray();
        return new Trace(
                trace.file(),
                trace.optimizer(),
                trace.weights(),
                trace.gradients(),
                trace.inputs(),
                trace.expected(),
                rates);
    }

    @Override
    public JsonObject settings() {
        JsonObject json = new JsonObject();
        json.addProperty("trace", trace.file().getFileName().toString());
        json.addProperty("recorded_with", trace.optimizer());
        json.addProperty("steps", trace.steps());
        json.addProperty("device", DeviceOptions.word(device.kind()));
        json.addProperty("dtype", DeviceOptions.word(dtype));
        return json;
    }

    @Override
    public void close() {
        progress.close();
    }
}
