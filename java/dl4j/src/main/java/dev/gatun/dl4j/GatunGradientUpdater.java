package dev.gatun.dl4j;

import dev.gatun.DType;
import dev.gatun.Device;
import dev.gatun.Optimizer;
import dev.gatun.Parameter;
import dev.gatun.ParameterGroup;
import dev.gatun.Sgd;
import dev.gatun.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.indexing.NDArrayIndex;
import org.nd4j.linalg.learning.GradientUpdater;

/**
 * Turns the gradients of a block of layers into what DL4J subtracts from its weights, with the state in DL4J's array.
 *
 * <p>A step moves weights, and there are none here: it moves an array of zeros, which then holds the negative update,
 * and a second step takes that off the zeroed gradients. Both are single passes in place.
 */
final class GatunGradientUpdater implements GradientUpdater<GatunUpdater> {
    /** The key under which the count of steps is in {@link #getState}, beside the rule's slots. */
    static final String STEPS = "steps";

    /** One for all updaters: a configuration is text and cannot say which. Its threads are GATUN_THREADS' or all. */
    private static final class Shared {
        static final Device DEVICE = Device.cpu();
    }

    private final GatunUpdater config;
    private final List<String> slots;

    /** The slots one behind another, and at the end the count of steps; null if the state came as a map. */
    private INDArray view;

    private Map<String, INDArray> state;

    // Made for a place of gradients and for a thread, and made again for others: the state is elsewhere.
    private Optimizer forward;
    private Optimizer negate;
    private INDArray gradients;
    private Thread owner;
    private double lr;

    GatunGradientUpdater(GatunUpdater config) {
        this.config = config;
        this.slots = config.rule().slots();
    }

    @Override
    public GatunUpdater getConfig() {
        return config;
    }

    @Override
    public void setStateViewArray(INDArray viewArray, long[] gradientShape, char gradientOrder, boolean initialize) {
        view = viewArray.reshape(viewArray.length());
        if (initialize) {
            view.assign(0);
        }
        state = null;
        release();
    }

    @Override
    public void setState(Map<String, INDArray> stateMap, boolean initialize) {
        for (String key : keys()) {
            if (!stateMap.containsKey(key)) {
                throw new IllegalStateException("the state of " + config + " needs " + keys() + ", and this has "
                        + stateMap.keySet() + ": it is another updater's");
            }
        }
        if (initialize) {
            stateMap.values().forEach(array -> array.assign(0));
        }
        state = new LinkedHashMap<>(stateMap);
        view = null;
        release();
    }

    private List<String> keys() {
        List<String> keys = new ArrayList<>(slots);
        keys.add(STEPS);
        return keys;
    }

    /** Views of the state by the rule's slots; only once an update has shown how long they are. */
    @Override
    public Map<String, INDArray> getState() {
        if (state == null) {
            throw new IllegalStateException("the state has no parts before the first update");
        }
        return new LinkedHashMap<>(state);
    }

    @Override
    public void applyUpdater(INDArray gradient, int iteration, int epoch) {
        prepare(gradient);
        INDArray counter = state.get(STEPS);
        long steps = StepCount.read(counter);
        if (steps != forward.steps()) {
            forward.resume(steps); // restored, or averaged with other workers'
        }
        lr = config.getLearningRate(iteration, epoch);
        forward.step();
        negate.step();
        StepCount.write(counter, steps + 1);
    }

    private void prepare(INDArray gradient) {
        Tensor tensor = Nd4jTensors.of(gradient, gradient.length());
        if (owner == Thread.currentThread()
                && tensor.equals(negate.parameters().getFirst().weight())) {
            return;
        }
        release();
        cut(gradient.length());
        List<Tensor> memory = new ArrayList<>();
        for (String slot : slots) {
            memory.add(Nd4jTensors.of(state.get(slot), gradient.length()));
        }
        Tensor update = zeros(tensor.dtype(), tensor.length());
        forward = optimizer(
                ParameterGroup.of(config.rule(), List.of(Parameter.of("update", update)))
                        .withSchedule((step, rate) -> lr),
                memory,
                tensor);
        // lr 1 and no momentum: 0 - 1 * (-update), exactly.
        negate = optimizer(ParameterGroup.of(Sgd.of(1), List.of(Parameter.of("gradients", tensor))), List.of(), update);
        gradients = gradient; // kept, so that its memory is
        owner = Thread.currentThread();
    }

    private static Optimizer optimizer(ParameterGroup group, List<Tensor> state, Tensor gradient) {
        Optimizer optimizer = Optimizer.builder(Shared.DEVICE)
                .group(group)
                .adoptState(state)
                .checkFinite(false)
                .zeroGradients(true)
                .build();
        optimizer.bindGradient(0, gradient);
        return optimizer;
    }

    private static Tensor zeros(DType dtype, long length) {
        return Tensor.allocate(Arena.ofAuto(), dtype, length);
    }

    /** Cuts the view into slots. A block of several variables has room for a count for each; the last is used. */
    private void cut(long length) {
        if (state != null) {
            return;
        }
        long end = view.length();
        if (end < slots.size() * length + StepCount.ELEMENTS) {
            throw new IllegalStateException("the updater's state has " + end + " elements, and " + config + " needs "
                    + config.stateSize(length) + " for " + Arrays.toString(new long[] {length}) + " gradients");
        }
        state = new LinkedHashMap<>();
        for (int i = 0; i < slots.size(); i++) {
            state.put(slots.get(i), view.get(NDArrayIndex.interval(i * length, (i + 1) * length)));
        }
        state.put(STEPS, view.get(NDArrayIndex.interval(end - StepCount.ELEMENTS, end)));
    }

    /** Where a slot of the state is, as the native step sees it. */
    long stateAddress(String slot) {
        return forward.state(0, slot).memory().address();
    }

    /** Where the gradients that become the update are, as the native step sees them. */
    long gradientAddress() {
        return negate.parameters().getFirst().weight().memory().address();
    }

    /** Lets go of native tables. On another thread than theirs they are left to the garbage collector. */
    private void release() {
        if (owner == Thread.currentThread()) {
            forward.close();
            negate.close();
        }
        owner = null;
        gradients = null;
    }
}
