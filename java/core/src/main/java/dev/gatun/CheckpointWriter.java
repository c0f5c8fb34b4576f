package dev.gatun;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Writes an optimizer's {@link Checkpoint}. */
final class CheckpointWriter {
    private CheckpointWriter() {}

    static void write(Path file, Optimizer optimizer, OptimizerState state, boolean withWeights, FileCalls calls)
            throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Map<String, Tensor> tensors = onHost(tensors(optimizer, state, withWeights), optimizer.device(), arena);
            write(file, metadata(optimizer, state), tensors, calls);
        }
    }

    /** Writes tensors of host memory and metadata, with all checksums. */
    static void write(Path file, Map<String, String> described, Map<String, Tensor> tensors, FileCalls calls)
            throws IOException {
        Map<String, String> metadata = new LinkedHashMap<>(described);
        tensors.forEach((name, tensor) -> metadata.put(Checksums.keyOf(name), Checksums.of(tensor.memory())));
        metadata.put(Checksums.KEY, Checksums.ZEROS);
        SafetensorsHeader header = Safetensors.describe(metadata, tensors);
        byte[] bytes = Safetensors.headerBytes(header);
        Checksums.seal(bytes);
        AtomicFile.replace(file, Safetensors.content(bytes, header, tensors), calls);
    }

    /** The tensors themselves, or for those of a GPU copies of what they are when all that was asked of it has happened. */
    private static Map<String, Tensor> onHost(Map<String, Tensor> tensors, Device device, Arena arena) {
        Map<String, Tensor> host = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> {
            if (tensor.location() == Device.Kind.CPU) {
                host.put(name, tensor);
            } else {
                Tensor copy = Tensor.allocate(arena, tensor.dtype(), tensor.shape());
                device.copy(copy.memory(), tensor.memory());
                host.put(name, copy);
            }
        });
        device.synchronize();
        return host;
    }

    private static Map<String, Tensor> tensors(Optimizer optimizer, OptimizerState state, boolean withWeights) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        List<Parameter> parameters = optimizer.parameters();
        if (withWeights) {
            parameters.forEach(p -> tensors.put("weight/" + p.name(), p.weight()));
        }
        for (int i = 0; i < parameters.size(); i++) {
            List<String> slots = state.slots(i);
            for (int s = 0; s < slots.size(); s++) {
                tensors.put(
                        "state/" + slots.get(s) + "/" + parameters.get(i).name(),
                        state.tensors(i).get(s));
            }
        }
        return tensors;
    }

    private static Map<String, String> metadata(Optimizer optimizer, OptimizerState state) {
        List<ParameterGroup> groups = optimizer.groups();
        List<long[]> counters = state.counters();
        Map<String, String> metadata = new LinkedHashMap<>();
        metadata.put(Checkpoint.FORMAT, Integer.toString(Checkpoint.FORMAT_VERSION));
        metadata.put(
                Checkpoint.OPTIMIZER,
                groups.stream().map(group -> group.rule().toString()).collect(Collectors.joining("; ")));
        metadata.put(
                Checkpoint.GROUP_STEPS,
                IntStream.range(0, groups.size())
                        .mapToObj(g -> Long.toString(state.groupSteps(counters, g)))
                        .collect(Collectors.joining(", ")));
        metadata.put(Checkpoint.STEPS, Long.toString(optimizer.steps()));
        for (int g = 0; g < groups.size(); g++) {
            String seen = groups.get(g).schedule().state();
            if (!seen.isEmpty()) {
                metadata.put(Checkpoint.SCHEDULE + g, seen);
            }
        }
        if (state.drawsRoundings()) {
            metadata.put(Checkpoint.ROUNDING, Checkpoint.STOCHASTIC);
            metadata.put(Checkpoint.SEED, Long.toString(optimizer.seed()));
        }
        if (optimizer.savedLossScale() != null) {
            metadata.put(Checkpoint.LOSS_SCALE, optimizer.savedLossScale().toString());
        }
        int index = 0;
        for (int g = 0; g < groups.size(); g++) {
            for (Parameter parameter : groups.get(g).parameters()) {
                metadata.put(
                        Checkpoint.PARAMETER + parameter.name(),
                        entry(g, state.steps(counters, index++), parameter.weight()));
            }
        }
        return metadata;
    }

    private static String entry(int group, long steps, Tensor weight) {
        List<Long> shape = Arrays.stream(weight.shape()).boxed().toList();
        return new Checkpoint.Entry(group, steps, weight.dtype(), shape).toString();
    }
}
