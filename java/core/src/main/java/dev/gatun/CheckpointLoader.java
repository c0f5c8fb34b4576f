package dev.gatun;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.IntStream;

/** Puts a {@link Checkpoint} into an optimizer: everything is compared before the first byte is written. */
final class CheckpointLoader {
    private final Checkpoint checkpoint;
    private final Optimizer optimizer;
    private final OptimizerState state;

    /** A tensor of the file and where it goes. */
    private record Copy(Tensor from, Tensor to) {}

    private CheckpointLoader(Checkpoint checkpoint, Optimizer optimizer, OptimizerState state) {
        this.checkpoint = checkpoint;
        this.optimizer = optimizer;
        this.state = state;
    }

    /** Loads all and answers how many steps had been called. */
    static long load(Checkpoint checkpoint, Optimizer optimizer, OptimizerState state) throws CheckpointException {
        return new CheckpointLoader(checkpoint, optimizer, state).load();
    }

    private long load() throws CheckpointException {
        requireSameRules();
        requireSameParameters();
        requireSameRounding();
        List<Copy> copies = pairTensors();
        List<long[]> counters = state.counters();
        restoreSchedules(); // the last that can be refused
        for (Copy copy : copies) {
            optimizer.device().copy(copy.to.memory(), copy.from.memory());
        }
        for (int i = 0; i < optimizer.parameters().size(); i++) {
            String name = optimizer.parameters().get(i).name();
            state.setSteps(counters, i, checkpoint.parameters().get(name).steps());
        }
        for (int g = 0; g < optimizer.groups().size(); g++) {
            state.setGroupSteps(counters, g, checkpoint.groupSteps().get(g));
        }
        state.setCounters(counters); // and waits for the copies
        return checkpoint.steps();
    }

    private void restoreSchedules() throws CheckpointException {
        List<ParameterGroup> groups = optimizer.groups();
        try {
            Schedules.restoreAll(
                    groups.stream().map(ParameterGroup::schedule).toList(),
                    IntStream.range(0, groups.size())
                            .mapToObj(checkpoint::scheduleState)
                            .toList());
        } catch (IllegalArgumentException refused) {
            throw new CheckpointException(
                    checkpoint.file().file() + ": the schedule: " + refused.getMessage(), refused);
        }
    }

    private void requireSameRules() throws CheckpointException {
        List<Rule> saved = checkpoint.rules();
        List<ParameterGroup> groups = optimizer.groups();
        if (saved.size() != groups.size() || checkpoint.groupSteps().size() != groups.size()) {
            throw differs("it has " + saved.size() + " groups, and this optimizer has " + groups.size());
        }
        for (int g = 0; g < groups.size(); g++) {
            Rule rule = groups.get(g).rule();
            if (!saved.get(g).withLr(0).equals(rule.withLr(0))) {
                throw differs("group " + g + " was saved with " + saved.get(g) + ", and this optimizer has " + rule);
            }
        }
    }

    private void requireSameParameters() throws CheckpointException {
        Set<String> missing = new HashSet<>(checkpoint.parameters().keySet());
        for (int i = 0; i < optimizer.parameters().size(); i++) {
            Parameter parameter = optimizer.parameters().get(i);
            Checkpoint.Entry saved = checkpoint.parameters().get(parameter.name());
            if (saved == null) {
                throw differs("it has no parameter '" + parameter.name() + "'"
                        + Nearest.hint(
                                parameter.name(),
                                List.copyOf(checkpoint.parameters().keySet())));
            }
            missing.remove(parameter.name());
            Tensor weight = parameter.weight();
            List<Long> shape = Arrays.stream(weight.shape()).boxed().toList();
            int group = groupOf(i);
            if (saved.dtype() != weight.dtype() || !saved.shape().equals(shape) || saved.group() != group) {
                throw differs("parameter '" + parameter.name() + "' was saved as " + saved.dtype() + " " + saved.shape()
                        + " in group " + saved.group() + ", and here is " + weight.dtype() + " " + shape + " in group "
                        + group);
            }
        }
        if (!missing.isEmpty()) {
            throw differs("this optimizer has no parameters " + missing + ", which it has");
        }
    }

    private void requireSameRounding() throws CheckpointException {
        OptionalLong here = state.drawsRoundings() ? OptionalLong.of(optimizer.seed()) : OptionalLong.empty();
        if (!checkpoint.seed().equals(here)) {
            throw differs("it was saved with " + rounding(checkpoint.seed()) + ", and this optimizer has "
                    + rounding(here) + ": build it with the same");
        }
    }

    private static String rounding(OptionalLong seed) {
        return seed.isPresent() ? "stochastic rounding, seed " + seed.getAsLong() : "rounding to nearest";
    }

    private int groupOf(int parameter) {
        return state.owner(state.backendGroup(parameter));
    }

    private List<Copy> pairTensors() throws CheckpointException {
        List<Copy> copies = new ArrayList<>();
        boolean weights = checkpoint.file().names().stream().anyMatch(name -> name.startsWith("weight/"));
        for (int i = 0; i < optimizer.parameters().size(); i++) {
            Parameter parameter = optimizer.parameters().get(i);
            if (weights) {
                copies.add(pair(checkpoint.weight(parameter.name()), parameter.weight(), "weight", parameter));
            }
            List<String> slots = state.slots(i);
            for (int s = 0; s < slots.size(); s++) {
                copies.add(pair(
                        checkpoint.state(slots.get(s), parameter.name()),
                        state.tensors(i).get(s),
                        "state " + slots.get(s),
                        parameter));
            }
        }
        return copies;
    }

    private Copy pair(Optional<Tensor> saved, Tensor place, String what, Parameter parameter)
            throws CheckpointException {
        if (saved.isEmpty()) {
            throw differs("it has no " + what + " of '" + parameter.name() + "'");
        }
        Tensor tensor = saved.get();
        if (tensor.dtype() != place.dtype() || !Arrays.equals(tensor.shape(), place.shape())) {
            throw differs(what + " of '" + parameter.name() + "' is " + tensor + " in it, and " + place + " here");
        }
        return new Copy(tensor, place);
    }

    private CheckpointException differs(String what) {
        return new CheckpointException(checkpoint.file().file() + " is of another optimizer: " + what);
    }
}
