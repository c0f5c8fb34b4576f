package dev.gatun.cli;

import dev.gatun.Safetensors;
import dev.gatun.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** A trace made by hand, right or wrong on purpose. */
final class TraceFile {
    final Map<String, String> metadata = new LinkedHashMap<>();
    final Map<String, Tensor> tensors = new LinkedHashMap<>();

    /** Two steps of SGD with learning rate 0.5 on two tensors; {@code b} has no gradient at step 2. All of it is exact. */
    static TraceFile sgd() {
        TraceFile trace = new TraceFile();
        trace.metadata.put("optimizer", "sgd(lr=0.5)");
        trace.metadata.put("steps", "2");
        return trace.with("weight/a", 1, 2)
                .with("weight/b", 4)
                .with("grad/1/a", 2, -2)
                .with("grad/1/b", 8)
                .with("grad/2/a", 0.5, 0)
                .with("expect/1/a", 0, 3)
                .with("expect/1/b", 0)
                .with("expect/2/a", -0.25, 3)
                .with("expect/2/b", 0);
    }

    TraceFile with(String name, double... values) {
        tensors.put(name, Tensor.of(Arena.ofAuto(), values, values.length));
        return this;
    }

    TraceFile without(String name) {
        tensors.remove(name);
        return this;
    }

    TraceFile saying(String key, String value) {
        metadata.put(key, value);
        return this;
    }

    Path write(Path folder) throws IOException {
        Path file = folder.resolve("made.safetensors");
        Safetensors.write(file, metadata, tensors);
        return file;
    }
}
