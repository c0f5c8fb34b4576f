package dev.gatun.libtorch;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.StringTensorDict;
import org.bytedeco.pytorch.StringTensorDictItem;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorImpl;

/**
 * The parameters of a module under their paths, for example {@code encoder.weight}.
 *
 * @param trained parameters that require a gradient
 * @param frozen parameters that do not
 */
record ModuleParameters(List<Entry> trained, List<Entry> frozen) implements AutoCloseable {
    /** A parameter's path, and a handle of its own, which keeps the parameter alive until it is closed. */
    record Entry(String path, Tensor tensor) {}

    static ModuleParameters of(Module module) {
        List<Entry> trained = new ArrayList<>();
        List<Entry> frozen = new ArrayList<>();
        // Modules that share a parameter (tied weights) name it once each: it is one tensor, under its first path.
        Set<Long> seen = new HashSet<>();
        try (StringTensorDict parameters = module.named_parameters()) {
            for (long i = 0; i < parameters.size(); i++) {
                try (StringTensorDictItem item = parameters.get(i);
                        BytePointer key = item.key();
                        Tensor parameter = item.value();
                        TensorImpl identity = parameter.unsafeGetTensorImpl()) {
                    if (seen.add(identity.address())) {
                        Entry entry = new Entry(key.getString(), new Tensor(parameter));
                        (parameter.requires_grad() ? trained : frozen).add(entry);
                    }
                }
            }
        }
        ModuleParameters made = new ModuleParameters(List.copyOf(trained), List.copyOf(frozen));
        if (trained.isEmpty()) {
            made.close();
            throw new IllegalArgumentException("module: "
                    + (frozen.isEmpty()
                            ? "it has no parameters"
                            : "none of its " + frozen.size() + " parameters requires a gradient")
                    + ", so there is nothing to train");
        }
        return made;
    }

    @Override
    public void close() {
        trained.forEach(entry -> entry.tensor().close());
        frozen.forEach(entry -> entry.tensor().close());
    }
}
