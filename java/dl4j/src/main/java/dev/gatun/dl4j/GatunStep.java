package dev.gatun.dl4j;

import dev.gatun.Device;
import dev.gatun.FrameworkStep;
import dev.gatun.Mirror;
import dev.gatun.Optimizer;
import dev.gatun.Parameter;
import dev.gatun.Rule;
import dev.gatun.Tensor;
import java.lang.foreign.Arena;
import java.util.List;
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
public final class GatunStep extends FrameworkStep {
    private final Network network;
    private final NetworkParameters parameters;
    private final long weightAddress;

    /** The flat gradients of the last step; DL4J makes them at the first backward pass. */
    private INDArray gradients;

    private long gradientAddress;
    private double gradientScale = 1;

    private GatunStep(Builder builder, NetworkParameters parameters) {
        super(builder, arena -> views(parameters));
        network = builder.network;
        this.parameters = parameters;
        weightAddress = address(parameters.flat());
    }

    private static List<Parameter> views(NetworkParameters parameters) {
        return parameters.trained().stream()
                .map(entry -> Parameter.of(entry.name(), Nd4jTensors.of(entry.view(), NetworkParameters.shape(entry))))
                .toList();
    }

    /**
     * Starts the description of a step over a network's parameters. Weight decay spares biases and gains, as in DL4J,
     * unless {@link Builder#decayVectors decayVectors(true)} says otherwise.
     *
     * @param network initialized, of type FLOAT or DOUBLE
     * @param device where the step is computed; with a GPU, gradients and weights cross at every step, see
     *     {@link Mirror}: the arrays are in host memory
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
        boolean refused = move();
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
            boolean refused = move();
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
    private boolean move() {
        requireOpen();
        find();
        bindGradients();
        double examples = network.model().conf().isMiniBatch() ? network.model().batchSize() : 1;
        optimizer().gradientScale(gradientScale / examples);
        update();
        // Asked for only where it is needed: a report waits for the step.
        return !parameters.statistics().isEmpty() && report().skipped();
    }

    /** Where DL4J has the gradients now. */
    private void find() {
        INDArray weights = network.model().params();
        if (weights == null || address(weights) != weightAddress) {
            throw new IllegalStateException(
                    "the network's parameters lie elsewhere since this step was built; build a new GatunStep");
        }
        INDArray flat = network.gradients();
        if (flat == null) {
            throw new IllegalStateException("the network has no gradients: a step comes after a backward pass");
        }
        gradients = flat; // kept, so that its memory is
        gradientAddress = address(flat);
    }

    @Override
    protected long gradientAddress(int index) {
        return gradientAddress
                + parameters.trained().get(index).offset()
                        * gradients.dataType().width();
    }

    @Override
    protected Tensor gradient(int index, Arena arena) {
        NetworkParameters.Entry entry = parameters.trained().get(index);
        return Nd4jTensors.of(NetworkParameters.slice(gradients, entry), NetworkParameters.shape(entry));
    }

    private static long address(INDArray flat) {
        return Nd4jTensors.of(flat.reshape(flat.length())).memory().address();
    }

    /** Multiplies every gradient by a factor beside the division by the number of examples. */
    @Override
    public void gradientScale(double scale) {
        super.gradientScale(scale);
        gradientScale = scale;
    }

    /** What a step is made of. */
    public static final class Builder extends FrameworkStep.Builder<GatunStep, Builder> {
        private final Network network;

        private Builder(Model network, Device device, Rule rule) {
            super(device, rule, false);
            this.network = Network.of(network);
        }

        @Override
        protected Builder self() {
            return this;
        }

        /**
         * Builds the step and its state, zero-filled.
         *
         * @throws IllegalArgumentException if nothing is to be trained, an array cannot be used where it is, or the
         *     configuration asks for regularization or gradient normalization, which DL4J's updaters would do
         */
        @Override
        public GatunStep build() {
            return new GatunStep(this, network.parameters());
        }
    }
}
