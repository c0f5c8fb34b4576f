package dev.gatun.cli.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** What was measured at every step of one optimizer so far. */
final class History {
    /** A single batch's loss jumps about by 0.2 bits per character; so many of them average out to the second digit. */
    private static final int LAST = 100;

    /** So many refused steps one after the other, and the next will not do better: the weights are the same. */
    private static final int HOPELESS = 20;

    /**
     * One step.
     *
     * @param step from 1
     * @param lr learning rate
     * @param training loss of the step's batch before the update, bits per example
     * @param validation after the update, {@link Score#NONE} where it was not measured
     * @param forwardBackwardMs milliseconds for both passes
     * @param optimizerMs milliseconds for the update
     * @param refused whether the optimizer refused the gradients
     */
    record Step(
            long step,
            double lr,
            double training,
            Score validation,
            double forwardBackwardMs,
            double optimizerMs,
            boolean refused) {}

    private final List<Step> steps = new ArrayList<>();

    void add(Step step) {
        if (step.step() != steps.size() + 1L) {
            throw new IllegalArgumentException("step: " + step.step() + " does not follow " + steps.size());
        }
        steps.add(step);
    }

    List<Step> steps() {
        return Collections.unmodifiableList(steps);
    }

    int size() {
        return steps.size();
    }

    /** Forgets what came after a step. */
    void truncate(long step) {
        steps.subList((int) Math.min(step, steps.size()), steps.size()).clear();
    }

    /** Mean training loss of the last 100 steps, bits per example; NaN before the first. */
    double training() {
        return steps.subList(Math.max(0, steps.size() - LAST), steps.size()).stream()
                .mapToDouble(Step::training)
                .average()
                .orElse(Double.NaN);
    }

    /** Forward, backward and update together; evaluation and checkpoints are not in it. */
    double seconds() {
        return steps.stream()
                        .mapToDouble(step -> step.forwardBackwardMs() + step.optimizerMs())
                        .sum()
                / 1000;
    }

    /** Median time of an update, milliseconds. */
    double optimizerMs() {
        return median(steps.stream().mapToDouble(Step::optimizerMs).toArray());
    }

    /** Median time of forward and backward pass, milliseconds. */
    double forwardBackwardMs() {
        return median(steps.stream().mapToDouble(Step::forwardBackwardMs).toArray());
    }

    /** The update's part of a step, 0 to 1, from the medians: a pause of the machine belongs to neither. */
    double share() {
        return optimizerMs() / (optimizerMs() + forwardBackwardMs());
    }

    long refused() {
        return steps.stream().filter(Step::refused).count();
    }

    /** Whether going on is pointless: the loss is not a number, or nothing but refused steps lately. */
    boolean diverged() {
        if (steps.isEmpty()) {
            return false;
        }
        List<Step> last = steps.subList(Math.max(0, steps.size() - HOPELESS), steps.size());
        return !Double.isFinite(steps.getLast().training())
                || (last.size() == HOPELESS && last.stream().allMatch(Step::refused));
    }

    private static double median(double[] values) {
        if (values.length == 0) {
            return Double.NaN;
        }
        Arrays.sort(values);
        int middle = values.length / 2;
        return values.length % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    }
}
