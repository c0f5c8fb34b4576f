package dev.gatun.cli.train;

import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.Tracker;
import dev.gatun.Rule;
import dev.gatun.Safetensors;
import dev.gatun.Schedule;
import dev.gatun.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Map;

/**
 * DJL's AdamW as its users run it: {@code Trainer.step()}. It has the same learning rates as Gatun's rows.
 *
 * <p>DJL cannot save the state of an optimizer, so its checkpoint has weights only, and a run interrupted in this row
 * begins it again.
 */
final class DjlAdamW implements Updater {
    private final Classifier model;
    private final Rule rule;
    private final Schedule schedule;

    DjlAdamW(Classifier model, Rule rule, Schedule schedule) {
        this.model = model;
        this.rule = rule;
        this.schedule = schedule;
    }

    /** DJL's optimizer with beta1 .9, beta2 .999, eps 1e-8 and decoupled decay .01, which are Gatun's defaults, too. */
    static Optimizer optimizer(Rule rule, Schedule schedule) {
        Tracker rates = step -> (float) schedule.rate(Math.max(1, step), rule.lr());
        return Optimizer.adamW()
                .optLearningRateTracker(rates)
                .optWeightDecays(0.01f)
                .build();
    }

    @Override
    public void step() {
        model.frameworkStep();
    }

    @Override
    public String refusal() {
        return null;
    }

    @Override
    public double lr(long step) {
        return schedule.rate(step, rule.lr());
    }

    @Override
    public void save(Path file) throws IOException {
        Safetensors.write(file, Map.of("optimizer", "DJL AdamW, state not included"), model.weights());
    }

    /** Loads the weights; the caller has to know that training was finished. */
    @Override
    public long load(Path file) throws IOException {
        Safetensors saved = Safetensors.read(file);
        for (Map.Entry<String, Tensor> weight : model.weights().entrySet()) {
            MemorySegment.copy(
                    saved.tensor(weight.getKey()).memory(),
                    0,
                    weight.getValue().memory(),
                    0,
                    weight.getValue().memory().byteSize());
        }
        return 0;
    }

    @Override
    public boolean resumable() {
        return false;
    }

    @Override
    public void close() {
        // The trainer owns DJL's state.
    }
}
