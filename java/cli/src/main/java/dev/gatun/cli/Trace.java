package dev.gatun.cli;

import dev.gatun.DType;
import dev.gatun.Safetensors;
import dev.gatun.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A recorded training run: start weights, the gradients of every step, and what the weights must be after it.
 *
 * @param optimizer the specification string in the file, null if it has none
 * @param weights start value by tensor name
 * @param gradients for every step, gradient by tensor name; absent: the tensor is skipped at that step
 * @param inputs for every step, what fed a tensor's layer by tensor name, for rules that look at it; may be absent
 * @param expected for every step, weight after it by tensor name; may be absent, then nothing is compared there
 * @param lr the learning rate of every step, null when the optimizer's own holds
 */
record Trace(
        Path file,
        String optimizer,
        Map<String, Tensor> weights,
        List<Map<String, Tensor>> gradients,
        List<Map<String, Tensor>> inputs,
        List<Map<String, Tensor>> expected,
        double[] lr) {
    /** A step needs a gradient in the file, so more steps than this is damage, not a long run. */
    private static final int MOST_STEPS = 10_000_000;

    int steps() {
        return gradients.size();
    }

    /** Reads and checks a whole trace. Whatever is wrong with it is a {@link BadInput} that names file and tensor. */
    static Trace read(Path file) {
        Safetensors tensors;
        try {
            if (!Files.isRegularFile(file)) {
                throw new BadInput(file + ": no such file; pass a trace (a safetensors file)");
            }
            tensors = Safetensors.read(file);
        } catch (IOException damage) {
            String reason = Failures.describe(damage);
            String where = reason.contains(file.getFileName().toString()) ? "" : file + ": ";
            throw new BadInput(where + reason + "; record the trace again or fetch a whole copy", damage);
        }
        return new Reader(file, tensors).read();
    }

    /** Sorts the tensors of a file into the parts of a trace. */
    private record Reader(Path file, Safetensors source) {
        Trace read() {
            int steps = steps();
            Map<String, Tensor> weights = new LinkedHashMap<>();
            for (String name : source.names()) {
                if (name.startsWith("weight/")) {
                    weights.put(name.substring("weight/".length()), values(name));
                }
            }
            if (weights.isEmpty()) {
                throw bad("it has no weight/<name> tensor, so it is not a trace; pass one");
            }
            List<Map<String, Tensor>> gradients = empty(steps);
            List<Map<String, Tensor>> inputs = empty(steps);
            List<Map<String, Tensor>> expected = empty(steps);
            double[] lr = null;
            for (String name : source.names()) {
                switch (name.contains("/") ? name.substring(0, name.indexOf('/')) : name) {
                    case "weight", "loss" -> {} // loss is for people
                    case "grad" -> sort(name, "grad/", weights, gradients, true);
                    case "input" -> sort(name, "input/", weights, inputs, false);
                    case "expect" -> sort(name, "expect/", weights, expected, true);
                    case "lr" -> lr = rates(name, steps);
                    default ->
                        throw bad("tensor '" + name + "' is none of weight/<name>, grad/<t>/<name>,"
                                + " expect/<t>/<name>, input/<t>/<name>, lr, loss; rename or remove it");
                }
            }
            if (expected.stream().allMatch(Map::isEmpty)) {
                throw bad("it has no expect/<t>/<name> tensor, so there is nothing to compare; record it with them");
            }
            return new Trace(file, source.metadata().get("optimizer"), weights, gradients, inputs, expected, lr);
        }

        private int steps() {
            String text = source.metadata().get("steps");
            if (text == null) {
                throw bad("its metadata lacks 'steps', so it is not a trace; pass one");
            }
            try {
                int steps = Integer.parseInt(text);
                if (steps >= 1 && steps <= MOST_STEPS) {
                    return steps;
                }
            } catch (NumberFormatException notANumber) {
                // the message below has the text
            }
            throw bad("metadata 'steps' is '" + text + "'; it must be a whole number from 1 to " + MOST_STEPS);
        }

        private static List<Map<String, Tensor>> empty(int steps) {
            List<Map<String, Tensor>> list = new ArrayList<>(steps);
            for (int t = 0; t < steps; t++) {
                list.add(new LinkedHashMap<>());
            }
            return list;
        }

        /** Files {@code kind/<t>/<name>} under its step, once step, name and, if it is the weight's, shape are right. */
        private void sort(
                String key, String kind, Map<String, Tensor> weights, List<Map<String, Tensor>> steps, boolean shaped) {
            int slash = key.indexOf('/', kind.length());
            String step = slash < 0 ? key.substring(kind.length()) : key.substring(kind.length(), slash);
            String name = slash < 0 ? "" : key.substring(slash + 1);
            int t;
            try {
                t = Integer.parseInt(step);
            } catch (NumberFormatException notANumber) {
                throw bad("tensor '" + key + "': '" + step + "' is not a step; the form is " + kind + "<t>/<name>");
            }
            if (t < 1 || t > steps.size()) {
                throw bad("tensor '" + key + "' is for step " + t + ", but metadata 'steps' says 1 to " + steps.size());
            }
            Tensor weight = weights.get(name);
            if (weight == null) {
                throw bad("tensor '" + key + "' has no start value; add 'weight/" + name + "'");
            }
            Tensor value = values(key);
            if (shaped && !Arrays.equals(value.shape(), weight.shape())) {
                throw bad("tensor '" + key + "' has shape " + Arrays.toString(value.shape()) + ", 'weight/" + name
                        + "' has " + Arrays.toString(weight.shape()) + "; they must be equal");
            }
            steps.get(t - 1).put(name, value);
        }

        private double[] rates(String name, int steps) {
            double[] lr = values(name).toDoubles();
            if (lr.length != steps) {
                throw bad("tensor 'lr' has " + lr.length + " values, metadata 'steps' says " + steps
                        + "; it needs one for every step");
            }
            for (int t = 0; t < steps; t++) {
                if (!(lr[t] >= 0 && lr[t] < Double.POSITIVE_INFINITY)) {
                    throw bad("tensor 'lr' has " + lr[t] + " at step " + (t + 1) + "; a learning rate is finite, >= 0");
                }
            }
            return lr;
        }

        private Tensor values(String name) {
            Tensor tensor = source.tensor(name);
            if (tensor.dtype() != DType.F64) {
                throw bad("tensor '" + name + "' is " + tensor.dtype() + "; a trace holds F64");
            }
            return tensor;
        }

        private BadInput bad(String message) {
            return new BadInput(file + ": " + message);
        }
    }
}
