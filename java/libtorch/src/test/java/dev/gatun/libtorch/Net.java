package dev.gatun.libtorch;

import static org.bytedeco.pytorch.global.torch.mse_loss;
import static org.bytedeco.pytorch.global.torch.tanh;

import org.bytedeco.pytorch.LinearImpl;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;

/** Two layers, trained to add up four numbers; everything about it is the same in every run. */
final class Net extends Module {
    final LinearImpl first = register_module("first", new LinearImpl(4, 16));
    final LinearImpl second = register_module("second", new LinearImpl(16, 1));

    /** With weights that are always the same. */
    Net() {
        TensorVector parameters = parameters();
        for (long p = 0; p < parameters.size(); p++) {
            dev.gatun.Tensor view = TorchTensors.of(parameters.get(p));
            for (long i = 0; i < view.length(); i++) {
                view.set(i, 0.3 * Math.sin(7 * i + 3 * p + 1));
            }
        }
    }

    Tensor forward(Tensor x) {
        return second.forward(tanh(first.forward(x)));
    }

    /** A batch that follows from its number. */
    static Tensor batch(int step) {
        float[] values = new float[32 * 4];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) Math.sin(0.1 * step + i);
        }
        return Tensor.create(values, 32, 4);
    }

    /** Forward and backward: the loss, with its gradients added to what is there. */
    float backward(int step) {
        return backward(step, 1);
    }

    float backward(int step, double lossScale) {
        Tensor x = batch(step);
        Tensor loss = mse_loss(forward(x), x.sum(new long[] {1}, true, new org.bytedeco.pytorch.ScalarTypeOptional()));
        loss.mul(new Scalar(lossScale)).backward();
        return loss.item_float();
    }

    /** All weights, one after another. */
    float[] weights() {
        return TorchTensors.of(org.bytedeco.pytorch.global.torch.cat(flat())).toFloats();
    }

    private TensorVector flat() {
        TensorVector flat = new TensorVector();
        TensorVector parameters = parameters();
        for (long p = 0; p < parameters.size(); p++) {
            flat.push_back(parameters.get(p).detach().flatten());
        }
        return flat;
    }
}
