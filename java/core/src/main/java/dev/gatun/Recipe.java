package dev.gatun;

import dev.gatun.bindings.GatunC;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.ToLongFunction;
import java.util.stream.Stream;

/**
 * What a rule comes to, in the terms of the C ABI: an update, and what stands around it.
 *
 * @param update the arithmetic in the middle
 * @param transforms changes of the gradient, from the outermost inwards
 * @param averages averages of the weights, from the innermost outwards
 * @param decaysMatricesOnly whether tensors with fewer than two dimensions are never decayed
 */
record Recipe(Update update, List<Transform> transforms, List<Average> averages, boolean decaysMatricesOnly) {
    /**
     * An update rule of the registry in gatun.h.
     *
     * @param number its GATUN_RULE_ number
     * @param hyperparameters the record that has them
     * @param slots the names of its state tensors
     * @param scalars the names of its state scalars, one double for each parameter
     * @param readOnly how many of the slots a step only reads
     * @param summed how many arrays it reads before the update, for sums over its tensor; the gradient is one of them
     * @param pooled whether its sums are over all tensors of its group
     * @param powers how many input powers a parameter has, see gatun_tensor; null if the rule takes no inputs
     * @param arguments writes its argument struct
     */
    record Update(
            int number,
            Rule hyperparameters,
            List<String> slots,
            List<String> scalars,
            int readOnly,
            int summed,
            boolean pooled,
            ToLongFunction<Parameter> powers,
            Function<Arena, MemorySegment> arguments) {
        Update(int number, Rule hyperparameters, List<String> slots, Function<Arena, MemorySegment> arguments) {
            this(number, hyperparameters, slots, List.of(), 0, 0, false, null, arguments);
        }

        Update withScalars(String... names) {
            return new Update(
                    number, hyperparameters, slots, List.of(names), readOnly, summed, pooled, powers, arguments);
        }

        Update withReadOnly(int count) {
            return new Update(number, hyperparameters, slots, scalars, count, summed, pooled, powers, arguments);
        }

        Update withSummed(int arrays) {
            return new Update(number, hyperparameters, slots, scalars, readOnly, arrays, pooled, powers, arguments);
        }

        Update withPooled(boolean pooled) {
            return new Update(number, hyperparameters, slots, scalars, readOnly, summed, pooled, powers, arguments);
        }

        /** Of a rule that takes its layers' inputs: its one scalar slot has a double for each of their powers. */
        Update withInputs(ToLongFunction<Parameter> powersOf) {
            return new Update(
                    number, hyperparameters, slots, List.of("power"), readOnly, summed, pooled, powersOf, arguments);
        }
    }

    /** A gatun_transform. {@code value} is the norm of a clip, the eps of a standardization. */
    record Transform(int kind, double value, boolean center, boolean normalize) {
        static Transform clip(double norm) {
            return new Transform(GatunC.GATUN_CLIP(), norm, false, false);
        }

        static Transform standardize(boolean center, boolean normalize, double eps) {
            return new Transform(GatunC.GATUN_STANDARDIZE(), eps, center, normalize);
        }
    }

    /** A gatun_average. {@code value} is alpha or tau; {@code k} is 1 for a plain exponential average. */
    record Average(String slot, int kind, double value, long k, boolean skipIdle) {
        static Average lookahead(double alpha, long k, boolean skipIdle) {
            return new Average("slow", GatunC.GATUN_LOOKAHEAD(), alpha, k, skipIdle);
        }

        static Average ema(double tau) {
            return new Average("ema", GatunC.GATUN_EMA(), tau, 1, false);
        }

        static Average byol(double tau, long steps) {
            return new Average("ema", GatunC.GATUN_EMA_BYOL(), tau, steps, false);
        }

        /** How often it moves. */
        double period() {
            return kind == GatunC.GATUN_LOOKAHEAD() ? k : 1;
        }
    }

    static Recipe of(Update update) {
        return new Recipe(update, List.of(), List.of(), false);
    }

    /** With a transformation in front of all others. */
    Recipe behind(Transform transform) {
        List<Transform> all =
                Stream.concat(Stream.of(transform), transforms.stream()).toList();
        requireAtMost(all.size(), GatunC.GATUN_MAX_TRANSFORMS(), "gradient transformations");
        return new Recipe(update, all, averages, decaysMatricesOnly);
    }

    /** With an average after all others. */
    Recipe averaged(Average average) {
        List<Average> all = Stream.concat(averages.stream(), Stream.of(average)).toList();
        requireAtMost(all.size(), GatunC.GATUN_MAX_AVERAGES(), "weight averages");
        return new Recipe(update, transforms, all, decaysMatricesOnly);
    }

    Recipe decayingMatricesOnly() {
        return new Recipe(update, transforms, averages, true);
    }

    /** The names of all state tensors; a name that comes again is numbered from 2. */
    List<String> slots() {
        List<String> names = new ArrayList<>(update.slots());
        names.addAll(update.scalars());
        for (Average average : averages) {
            names.add(numbered(average.slot(), names));
        }
        return List.copyOf(names);
    }

    /** Whether a tensor's rows are centered: one whose rows have a single element then has no gradient left. */
    boolean centers() {
        return transforms.stream().anyMatch(Transform::center);
    }

    /** Whether a state slot is a scalar, by its place in {@link #slots}. */
    boolean scalar(int slot) {
        return slot >= update.slots().size()
                && slot < update.slots().size() + update.scalars().size();
    }

    /** See {@link Rule#reach}. */
    Rule.Reach reach() {
        if (update.pooled() || transforms.stream().anyMatch(transform -> transform.kind() == GatunC.GATUN_CLIP())) {
            return Rule.Reach.ALL;
        }
        if (!transforms.isEmpty() || update.summed() > 0 || !update.scalars().isEmpty()) {
            return Rule.Reach.TENSOR;
        }
        return averages.isEmpty() && !RuleForm.decays(update.hyperparameters())
                ? Rule.Reach.GRADIENT
                : Rule.Reach.WEIGHT;
    }

    /** How many input powers a parameter has; 0 if its rule takes no inputs, or its layer has none. */
    long powers(Parameter parameter) {
        return update.powers() == null ? 0 : update.powers().applyAsLong(parameter);
    }

    /** How many doubles a parameter has in each scalar slot. */
    long scalarLength(Parameter parameter) {
        return update.powers() == null ? 1 : powers(parameter);
    }

    /** Bytes read and written per parameter and step, for weights and gradients of these types. */
    double bytes(DType weight, DType gradient, boolean checkFinite) {
        // weight or master, and slots, there and back; what the update's own sums read beside the gradient
        double words = 2 + 2 * update.slots().size() - update.readOnly() + Math.max(0, update.summed() - 1);
        for (Average average : averages) {
            words += 2.0 / average.period(); // its slot there and back; the weight is at hand
        }
        int gradients = 1 + Math.min(1, update.summed());
        if (!transforms.isEmpty() || checkFinite && update.summed() == 0) {
            gradients += 1; // moments of the gradient; beside sums of the same gradient they are free
        }
        return words * weight.arithmetic().bytes()
                + gradients * gradient.bytes()
                + (weight.isHalf() ? weight.bytes() : 0);
    }

    private static String numbered(String name, List<String> taken) {
        String numbered = name;
        for (int n = 2; taken.contains(numbered); n++) {
            numbered = name + n;
        }
        return numbered;
    }

    private static void requireAtMost(int count, int most, String what) {
        if (count > most) {
            throw new IllegalArgumentException(
                    "a rule can have at most " + most + " " + what + ", and this has " + count);
        }
    }
}
