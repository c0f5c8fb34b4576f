package dev.gatun.dl4j;

import dev.gatun.Device;
import dev.gatun.Optimizer;
import dev.gatun.Parameter;
import dev.gatun.ParameterGroup;
import dev.gatun.Rule;
import dev.gatun.Schedule;
import dev.gatun.StepReport;
import dev.gatun.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.deeplearning4j.nn.api.Model;
import org.deeplearning4j.nn.graph.ComputationGraph;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.deeplearning4j.optimize.api.BaseTrainingListener;
import org.deeplearning4j.optimize.api.TrainingListener;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.learning.config.NoOp;

/**
 * Takes the place of DL4J's updaters: one native call updates all parameters of a network where they are, layer by
 * layer, with a dense layer's weights as one row for each output.
 *
 * <p>As a listener, with a network that is configured with {@code updater(new NoOp())}; everything else of
 * {@code fit()} stays:
 *
 * <pre>{@code
 * try (var step = GatunStep.builder(network, device, Rule.parse("sing(lr=0.005)")).build()) {
 *     network.addListeners(step.listener());
 *     network.fit(iterator, epochs);
 *     ModelSerializer.writeModel(network, new File("model.zip"), true);
 *     step.save(Path.of("optimizer.safetensors"));
 * }
 * }</pre>
 *
 * <p>Or in a loop of one's own, which spares DL4J's passes over gradients and weights: {@code network.setInput(...)},
 * {@code setLabels(...)}, {@code computeGradientAndScore()}, and then {@link #step()}.
 *
 * <p>Gradients are divided by the number of examples as the network's {@code miniBatch} says. Weight decay is the
 * rule's, and spares biases and gains. Running statistics of batch normalization are moved as DL4J moves them; frozen
 * layers are left alone. Like the {@link Optimizer} it is made of, a step belongs to the thread that built it.
 */
public final class GatunStep implements AutoCloseable {
    private final Network network;
    private final NetworkParameters parameters;
    private final Optimizer optimizer;
    private final long weightAddress;

    /** The flat gradients that are bound; DL4J makes them at the first backward pass. */
    private INDArray gradients;

    private double gradientScale = 1;

    private GatunStep(Builder builder) {
        network = builder.network;
        parameters = network.parameters();
        weightAddress = address(parameters.flat());
        List<Parameter> views = new ArrayList<>();
        for (NetworkParameters.Entry entry : parameters.trained()) {
            Tensor weight = Nd4jTensors.of(entry.view(), NetworkParameters.shape(entry));
            Parameter view = Parameter.of(entry.name(), weight);
            views.add(entry.matrix() || builder.decayVectors ? view : view.withoutDecay());
        }
        optimizer = Optimizer.builder(builder.device)
                .group(ParameterGroup.of(builder.rule, views).withSchedule(builder.schedule))
                .checkFinite(builder.checkFinite)
                .build();
    }

    /**
     * Starts the description of a step over a network's parameters.
     *
     * @param network initialized, of type FLOAT or DOUBLE
     * @param device a CPU: the arrays are in host memory
     * @param rule the optimizer, with its learning rate
     */
    public static Builder builder(MultiLayerNetwork network, Device device, Rule rule) {
        return new Builder(network, device, rule);
    }

    /** As {@link #builder(MultiLayerNetwork, Device, Rule)}, for a graph. */
    public static Builder builder(ComputationGraph network, Device device, Rule rule) {
        return new Builder(network, device, rule);
    }

    /**
     * A step after {@code network.computeGradientAndScore()}: updates weights and running statistics, applies the
     * network's constraints and counts its iteration, as DL4J's {@code fit()} does. Listeners of the network are not
     * called.
     *
     * @throws IllegalStateException before the first backward pass, if the network's parameters were replaced, or if
     *     this is closed
     */
    public void step() {
        boolean refused = update();
        if (!refused) {
            for (NetworkParameters.Entry entry : parameters.statistics()) {
                NetworkParameters.slice(parameters.flat(), entry).subi(NetworkParameters.slice(gradients, entry));
            }
        }
        network.iteration(network.iteration() + 1);
        network.model().applyConstraints(network.iteration(), network.epoch());
    }

    /**
     * A listener that steps when DL4J has computed the gradients, and leaves nothing of them for DL4J to subtract.
     *
     * @throws IllegalStateException if a parameter has another updater than {@link NoOp}, which would move it, too
     */
    public TrainingListener listener() {
        for (NetworkParameters.Entry entry : parameters.trained()) {
            if (!(entry.updater() instanceof NoOp)) {
                throw new IllegalStateException("parameter " + entry.name() + " has the updater " + entry.updater()
                        + ", which would move it beside this step: configure the network with updater(new NoOp())");
            }
        }
        return new StepListener();
    }

    private final class StepListener extends BaseTrainingListener {
        @Override
        public void onGradientCalculation(Model model) {
            if (model != network.model()) {
                throw new IllegalStateException("this listener steps the network it was made for, and got another: "
                        + model.getClass().getName());
            }
            boolean refused = update();
            for (NetworkParameters.Entry entry : parameters.trained()) {
                Nd4jTensors.of(NetworkParameters.slice(gradients, entry))
                        .memory()
                        .fill((byte) 0);
            }
            if (refused) {
                parameters
                        .statistics()
                        .forEach(entry ->
                                NetworkParameters.slice(gradients, entry).assign(0));
            }
        }
    }

    /** Moves the trained parameters and answers whether the step was refused. */
    private boolean update() {
        bind();
        double examples = network.model().conf().isMiniBatch() ? network.model().batchSize() : 1;
        optimizer.gradientScale(gradientScale / examples);
        optimizer.step();
        // Asked for only where it is needed: a report waits for the step.
        return !parameters.statistics().isEmpty() && optimizer.report().skipped();
    }

    private void bind() {
        INDArray weights = network.model().params();
        if (weights == null || address(weights) != weightAddress) {
            throw new IllegalStateException(
                    "the network's parameters lie elsewhere since this step was built; build a new GatunStep");
        }
        INDArray flat = network.gradients();
        if (flat == null) {
            throw new IllegalStateException("the network has no gradients: a step comes after a backward pass");
        }
        if (gradients != null && address(flat) == address(gradients)) {
            return;
        }
        List<Tensor> views = new ArrayList<>();
        for (NetworkParameters.Entry entry : parameters.trained()) {
            views.add(Nd4jTensors.of(NetworkParameters.slice(flat, entry), NetworkParameters.shape(entry)));
        }
        optimizer.bindGradients(views);
        gradients = flat; // kept, so that its memory is
    }

    private static long address(INDArray flat) {
        return Nd4jTensors.of(flat.reshape(flat.length())).memory().address();
    }

    /** Multiplies every gradient by a factor beside the division by the number of examples: 1 / loss scale. */
    public void gradientScale(double scale) {
        optimizer.gradientScale(scale);
        gradientScale = scale;
    }

    /** What the last step did; a step with a NaN or an infinity in a gradient is refused, and this names the parameter. */
    public StepReport report() {
        return optimizer.report();
    }

    /** Steps so far, those before the checkpoint that was loaded included. */
    public long steps() {
        return optimizer.steps();
    }

    /** The optimizer behind this step, for its state and its parameters. It is closed by {@link #close()}. */
    public Optimizer optimizer() {
        return optimizer;
    }

    /**
     * Writes weights, optimizer state and step counters to a checkpoint, beside what DL4J's {@code ModelSerializer}
     * writes of the network; an older file of this name stays until it is whole.
     */
    public void save(Path file) throws IOException {
        optimizer.save(file);
    }

    /** Reads a checkpoint of the same optimizer and network, weights included, so that training goes on bit for bit. */
    public void load(Path file) throws IOException {
        optimizer.load(file);
    }

    @Override
    public void close() {
        optimizer.close();
    }

    /** What a step is made of. */
    public static final class Builder {
        private final Network network;
        private final Device device;
        private final Rule rule;
        private Schedule schedule = Schedule.constant();
        private boolean decayVectors;
        private boolean checkFinite = true;

        private Builder(Model network, Device device, Rule rule) {
            this.network = Network.of(network);
            this.device = Objects.requireNonNull(device, "device");
            this.rule = Objects.requireNonNull(rule, "rule");
        }

        /** The learning rate at every step; constant by default. */
        public Builder schedule(Schedule schedule) {
            this.schedule = Objects.requireNonNull(schedule, "schedule");
            return this;
        }

        /** Whether weight decay applies to biases and gains, too; false by default, as in DL4J. */
        public Builder decayVectors(boolean decayVectors) {
            this.decayVectors = decayVectors;
            return this;
        }

        /** Whether a step is refused when a gradient has a NaN or an infinity; true by default. */
        public Builder checkFinite(boolean checkFinite) {
            this.checkFinite = checkFinite;
            return this;
        }

        /**
         * Builds the step and its state, zero-filled.
         *
         * @throws IllegalArgumentException if nothing is to be trained, an array cannot be used where it is, or the
         *     configuration asks for regularization or gradient normalization, which DL4J's updaters would do
         */
        public GatunStep build() {
            return new GatunStep(this);
        }
    }
}
