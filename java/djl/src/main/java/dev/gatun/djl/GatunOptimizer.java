package dev.gatun.djl;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.nn.Block;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.ParameterTracker;
import dev.gatun.Checkpoint;
import dev.gatun.Parameter;
import dev.gatun.Rule;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A rule as one of DJL's optimizers: {@code
 * config.optOptimizer(GatunOptimizer.builder(Rule.parse("adamw(lr=0.004)")).build())} is the one line that changes.
 *
 * <p>DJL copies every gradient and calls an optimizer parameter by parameter, so a step is one native call for each.
 * Rules with sums over all parameters, such as clipping by global norm, cannot be computed so and are refused;
 * {@link GatunStep} takes them, and needs neither the copies nor the calls. Gradients are not checked: refusing one
 * parameter's would leave half a step.
 *
 * <p>Trackers, {@code setRescaleGrad} and {@code optBeginNumUpdate} work as with DJL's optimizers; weight decay is the
 * rule's. DJL saves no optimizer's state; {@link #save} and {@link #load} do, by the parameters' paths in the block.
 * Belongs to the thread that trains, and is to be closed after the trainer.
 */
public final class GatunOptimizer extends Optimizer implements AutoCloseable {
    /** A parameter's copy on a device. */
    private record Key(String id, Device device) {}

    private final Rule rule;
    private final ParameterTracker tracker;
    private final boolean decayVectors;
    private final int begin;
    private final Map<Device, dev.gatun.Device> devices = new HashMap<>();
    private final List<dev.gatun.Device> owned = new ArrayList<>();
    private final Map<Key, ParameterStep> steps = new LinkedHashMap<>();
    private boolean loaded;
    private boolean open = true;

    private GatunOptimizer(Builder builder) {
        super(builder);
        rule = builder.rule;
        tracker = builder.tracker;
        decayVectors = builder.decayVectors;
        devices.putAll(builder.devices);
        begin = updateCount("") - 1; // the base class tells what optBeginNumUpdate set in no other way
    }

    /**
     * Starts the description of an optimizer.
     *
     * @param rule one whose {@link Rule#reach} is at most the tensor
     * @throws IllegalArgumentException for a rule that needs all tensors at once
     */
    public static Builder builder(Rule rule) {
        return new Builder(rule);
    }

    /** Called by DJL's trainer, for every parameter that is not frozen and every device. */
    @Override
    public void update(String parameterId, NDArray weight, NDArray grad) {
        requireOpen();
        Key key = new Key(parameterId, weight.getDevice());
        ParameterStep step = steps.get(key);
        if (step == null) {
            requireNotElsewhere(key);
            step = add(key, weight);
        }
        long count = begin + step.taken() + 1;
        double lr = tracker == null ? rule.lr() : tracker.getNewValue(parameterId, Math.toIntExact(count));
        step.step(weight, grad, lr, rescaleGrad);
        // DJL's trainer passes a copy and leaves zeroing what it copied from to the optimizer.
        JniUtils.zeroGrad((PtNDArray) weight);
    }

    private void requireNotElsewhere(Key key) {
        if (loaded && steps.keySet().stream().anyMatch(known -> known.id().equals(key.id()))) {
            throw new IllegalStateException("a checkpoint was loaded for the parameters on another device than "
                    + key.device() + ": training on several devices cannot go on from one yet");
        }
    }

    private ParameterStep add(Key key, NDArray weight) {
        ParameterStep step = new ParameterStep(device(key.device()), rule, weight, decayVectors);
        steps.put(key, step);
        return step;
    }

    private dev.gatun.Device device(Device device) {
        dev.gatun.Device known = devices.get(device);
        if (known == null) {
            if (device.isGpu()) {
                throw new IllegalStateException("the parameters are on " + device + ": say which Gatun device computes"
                        + " there, on PyTorch's stream, with optDevice(...)");
            }
            known = dev.gatun.Device.cpu();
            devices.put(device, known);
            owned.add(known);
        }
        return known;
    }

    /** The steps a parameter has taken; 0 for one that is not known. */
    public long stepsTaken(ai.djl.nn.Parameter parameter) {
        return steps.entrySet().stream()
                .filter(entry -> entry.getKey().id().equals(parameter.getId()))
                .mapToLong(entry -> entry.getValue().taken())
                .max()
                .orElse(0);
    }

    /** Where the native step writes a parameter. */
    long weightAddress(ai.djl.nn.Parameter parameter) {
        Key key = new Key(parameter.getId(), parameter.getArray().getDevice());
        return steps.get(key).parameter().weight().memory().address();
    }

    /**
     * Writes the weights, state and step counts of all parameters that have been updated to a checkpoint, by their
     * paths in the block; an older file of this name stays until it is whole.
     *
     * @throws IllegalStateException if no parameter of the block has been updated
     */
    public void save(Path file, Block block) throws IOException {
        requireOpen();
        List<Parameter> parameters = new ArrayList<>();
        List<dev.gatun.Tensor> state = new ArrayList<>();
        List<Long> taken = new ArrayList<>();
        for (BlockParameters.Entry entry : entries(block)) {
            ParameterStep step = steps.get(key(entry));
            if (step != null) {
                parameters.add(step.named(entry.path()));
                state.addAll(step.state());
                taken.add(step.taken());
            }
        }
        if (parameters.isEmpty()) {
            throw new IllegalStateException("no parameter of the block was updated by this optimizer: there is nothing"
                    + " to save before the first step");
        }
        try (dev.gatun.Optimizer all = dev.gatun.Optimizer.builder(device(deviceOf(block)))
                .group(rule, parameters)
                .adoptState(state)
                .build()) {
            all.resume(taken.stream().mapToLong(Long::longValue).toArray());
            all.save(file);
        }
    }

    /**
     * Reads a checkpoint of the same rule and block, weights included, so that training goes on bit for bit. Call it
     * once the block is initialized.
     *
     * @throws dev.gatun.CheckpointException if it is damaged or of another rule or block; nothing has changed then
     */
    public void load(Path file, Block block) throws IOException {
        requireOpen();
        Map<String, BlockParameters.Entry> byPath = new LinkedHashMap<>();
        for (BlockParameters.Entry entry : entries(block)) {
            byPath.put(entry.path(), entry);
        }
        List<BlockParameters.Entry> found = new ArrayList<>();
        List<Parameter> parameters = new ArrayList<>();
        for (String path : Checkpoint.read(file).parameters().keySet()) {
            BlockParameters.Entry entry = byPath.get(path);
            if (entry != null) { // what is missing the checkpoint complains of itself
                found.add(entry);
                parameters.add(ParameterStep.parameter(path, entry.array(), decayVectors));
            }
        }
        try (dev.gatun.Optimizer all = dev.gatun.Optimizer.of(device(deviceOf(block)), rule, parameters)) {
            all.load(file);
            closeSteps();
            for (int i = 0; i < found.size(); i++) {
                ParameterStep step = add(key(found.get(i)), found.get(i).array());
                step.take(all, i);
            }
        }
        loaded = true;
    }

    private static List<BlockParameters.Entry> entries(Block block) {
        BlockParameters parameters = BlockParameters.of(block);
        List<BlockParameters.Entry> all = new ArrayList<>(parameters.trained());
        all.addAll(parameters.frozen()); // frozen by now, or at the time of a checkpoint
        return all;
    }

    private static Device deviceOf(Block block) {
        return entries(block).getFirst().array().getDevice();
    }

    private static Key key(BlockParameters.Entry entry) {
        return new Key(entry.parameter().getId(), entry.array().getDevice());
    }

    private void requireOpen() {
        if (!open) {
            throw new IllegalStateException("this GatunOptimizer is closed");
        }
    }

    private void closeSteps() {
        steps.values().forEach(ParameterStep::close);
        steps.clear();
    }

    /** Frees the state. Closing again does nothing. */
    @Override
    public void close() {
        if (open) {
            open = false;
            closeSteps();
            owned.forEach(dev.gatun.Device::close);
        }
    }

    /** What an optimizer is made of. */
    public static final class Builder extends OptimizerBuilder<Builder> {
        private final Rule rule;
        private final Map<Device, dev.gatun.Device> devices = new HashMap<>();
        private ParameterTracker tracker;
        private boolean decayVectors = true;

        private Builder(Rule rule) {
            this.rule = Objects.requireNonNull(rule, "rule");
            if (rule.reach() == Rule.Reach.ALL) {
                throw new IllegalArgumentException("rule " + rule + " needs sums over all parameters, and DJL calls an"
                        + " optimizer parameter by parameter: use GatunStep in place of trainer.step()");
            }
        }

        @Override
        protected Builder self() {
            return this;
        }

        /** The learning rate by parameter and number of updates, from 1; the rule's own by default. */
        public Builder optLearningRateTracker(ParameterTracker tracker) {
            this.tracker = Objects.requireNonNull(tracker, "tracker");
            return this;
        }

        /**
         * Who computes for arrays on one of DJL's devices. By default arrays in host memory are updated by
         * {@code Device.cpu()}; for a GPU there is no default, as the work must be in PyTorch's stream.
         *
         * @param device stays the caller's, who closes it after this optimizer
         */
        public Builder optDevice(Device arrays, dev.gatun.Device device) {
            devices.put(Objects.requireNonNull(arrays, "arrays"), Objects.requireNonNull(device, "device"));
            return this;
        }

        /**
         * Whether weight decay applies to biases and gains (fewer than two dimensions), too; true by default, as in
         * DJL.
         */
        public Builder optDecayVectors(boolean decayVectors) {
            this.decayVectors = decayVectors;
            return this;
        }

        /** Not possible: decay is the rule's. */
        @Override
        public Builder optWeightDecays(float weightDecays) {
            throw new IllegalArgumentException("optWeightDecays(" + weightDecays
                    + "): give the rule its weight decay instead, for example adamw(lr=0.001, weight_decay="
                    + weightDecays + ")");
        }

        /** Not possible: DJL's clip is element by element. */
        @Override
        public Builder optClipGrad(float clipGrad) {
            throw new IllegalArgumentException("optClipGrad(" + clipGrad + "): gradients are not clipped element by"
                    + " element; GatunStep clips by global norm with clip(..., norm=" + clipGrad + ")");
        }

        /** Builds the optimizer; state is made at a parameter's first update, zero-filled. */
        public GatunOptimizer build() {
            return new GatunOptimizer(this);
        }
    }
}
