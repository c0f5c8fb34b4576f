package consumer;

import dev.gatun.Checkpoint;
import dev.gatun.DType;
import dev.gatun.Device;
import dev.gatun.Optimizer;
import dev.gatun.Parameter;
import dev.gatun.Rule;
import dev.gatun.Tensor;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** Fits a line to points, saves half-way, and goes on from the file: both ends have to be the same. */
public final class Train {
    private static final int STEPS = 300;

    private final Tensor weight;
    private final Tensor gradient;
    private final Optimizer optimizer;

    private Train(Arena arena, Device device) {
        weight = Tensor.allocate(arena, DType.F32, 2);
        gradient = Tensor.allocate(arena, DType.F32, 2);
        optimizer = Optimizer.of(device, Rule.parse("adamw(lr=0.05)"), List.of(Parameter.of("line", weight)));
        optimizer.bindGradients(List.of(gradient));
    }

    /** The loss of slope and intercept on y = 2 x - 1, and its gradient. */
    private double backward() {
        double loss = 0;
        double slope = 0;
        double intercept = 0;
        for (double x = -1; x <= 1; x += 0.125) {
            double error = weight.get(0) * x + weight.get(1) - (2 * x - 1);
            loss += error * error / 17;
            slope += 2 * error * x / 17;
            intercept += 2 * error / 17;
        }
        gradient.set(0, slope);
        gradient.set(1, intercept);
        return loss;
    }

    private double steps(int count) {
        double loss = 0;
        for (int i = 0; i < count; i++) {
            loss = backward();
            optimizer.step();
        }
        return loss;
    }

    public static void main(String[] arguments) throws Exception {
        Path file = Path.of(arguments[0]);
        try (var arena = Arena.ofConfined();
                var device = Device.cpu()) {
            var whole = new Train(arena, device);
            try (var closed = whole.optimizer) {
                whole.steps(STEPS / 2);
                whole.optimizer.save(file);
                double loss = whole.steps(STEPS / 2);
                if (!(loss < 1e-3)) {
                    throw new AssertionError("it does not learn: loss " + loss);
                }
            }
            var resumed = new Train(arena, device);
            try (var closed = resumed.optimizer) {
                if (Checkpoint.read(file).steps() != STEPS / 2) {
                    throw new AssertionError("the checkpoint has " + Checkpoint.read(file).steps() + " steps");
                }
                resumed.optimizer.load(file);
                resumed.steps(STEPS / 2);
            }
            if (!Arrays.equals(whole.weight.toFloats(), resumed.weight.toFloats())) {
                throw new AssertionError("going on from the checkpoint ends elsewhere");
            }
            System.out.println("weights " + Arrays.toString(whole.weight.toFloats()) + " in "
                    + (Train.class.getModule().isNamed() ? "a module" : "the class path"));
        }
    }
}
