package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Checkpoints under PyTorch's names: there and back without a changed bit, and on from where PyTorch stopped. */
class PyTorchCheckpointTest {
    private static final Map<String, String> NONE = Map.of();

    @TempDir
    Path folder;

    private Path file(String name) {
        return folder.resolve(name);
    }

    static Stream<Subject> subjects() {
        return Subject.all(null);
    }

    /** Every rule, option and type. */
    @ParameterizedTest
    @MethodSource("subjects")
    void thereAndBackIsTheSameFile(Subject subject) throws IOException {
        try (Device device = Device.cpu(1);
                Run run = new Run(subject, device)) {
            run.steps(1, 3);
            for (boolean withWeights : new boolean[] {true, false}) {
                run.optimizer.save(file("gatun"), withWeights);
                PyTorchCheckpoint.save(Checkpoint.read(file("gatun")), file("pytorch"));
                PyTorchCheckpoint.Found found = PyTorchCheckpoint.load(
                        List.of(file("pytorch")), PyTorchCheckpoint.Reading.plain(), file("back"));
                assertThat(file("back")).hasSameBinaryContentAs(file("gatun"));
                assertThat(found.parameters())
                        .isEqualTo(run.optimizer.parameters().size());
                assertThat(found.stateless()).isEmpty();
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "adamw(amsgrad=true) | exp_avg, exp_avg_sq, max_exp_avg_sq",
                "radam | exp_avg, exp_avg_sq",
                "sgd(lr=1, momentum=0.9) | momentum_buffer",
                "sgd(lr=1) | ",
                "adabelief(rectify=false, amsgrad=true) | exp_avg, exp_avg_var, max_exp_avg_var",
                "sing(adabelief) | exp_avg, exp_avg_var",
                "lookahead(ema(adam)) | exp_avg, exp_avg_sq, ema, slow",
                "pnm(lr=1) | pos, neg"
            })
    void stateHasPyTorchsNames(String line) {
        String[] parts = line.split(" \\| ?", 2);
        List<String> names = parts[1].isEmpty() ? List.of() : List.of(parts[1].split(", "));
        assertThat(PyTorchNames.of(Rule.parse(parts[0]))).isEqualTo(names);
    }

    @Test
    void tensorsHaveTheNamesOfTheGuide() throws IOException {
        try (Training training = new Training("adamw")) {
            training.steps(2);
            training.optimizer.save(file("gatun"));
        }
        PyTorchCheckpoint.save(Checkpoint.read(file("gatun")), file("pytorch"));
        Safetensors saved = Safetensors.read(file("pytorch"));
        assertThat(saved.names())
                .containsExactlyInAnyOrder(
                        "layer.weight",
                        "layer.bias",
                        "state.layer.weight.exp_avg",
                        "state.layer.weight.exp_avg_sq",
                        "state.layer.weight.step",
                        "state.layer.bias.exp_avg",
                        "state.layer.bias.exp_avg_sq",
                        "state.layer.bias.step");
        Tensor step = saved.tensor("state.layer.weight.step");
        assertThat(step.dtype()).isEqualTo(DType.F32);
        assertThat(step.dimensions()).isZero();
        assertThat(step.get(0)).isEqualTo(2);
        assertThat(saved.metadata()).containsEntry("format", "pt").doesNotContainKey("gatun_format");
    }

    /** AdamW as torch.optim states it, seven steps of its own and five in Gatun, against twelve of its own. */
    @Test
    void goesOnWherePyTorchStopped() throws IOException {
        double lr = 0.05, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, decay = 0.01;
        double[] w = {1, -2, 3, 0.5};
        double[] m = new double[4];
        double[] v = new double[4];
        double[] wanted = {0, 1, 2, 3};
        double[] last = null;
        try (Arena arena = Arena.ofConfined()) {
            for (int t = 1; t <= 12; t++) {
                for (int i = 0; i < 4; i++) {
                    double g = w[i] - wanted[i];
                    w[i] *= 1 - lr * decay;
                    m[i] = beta1 * m[i] + (1 - beta1) * g;
                    v[i] = beta2 * v[i] + (1 - beta2) * g * g;
                    double root = Math.sqrt(v[i]) / Math.sqrt(1 - Math.pow(beta2, t)) + eps;
                    w[i] -= lr / (1 - Math.pow(beta1, t)) * m[i] / root;
                }
                if (t == 7) {
                    Safetensors.write(file("model"), NONE, Map.of("layer.weight", Tensor.of(arena, w, 2, 2)));
                    Safetensors.write(
                            file("optimizer"),
                            Map.of("format", "pt"),
                            Map.of(
                                    "state.layer.weight.exp_avg", Tensor.of(arena, m, 2, 2),
                                    "state.layer.weight.exp_avg_sq", Tensor.of(arena, v, 2, 2),
                                    "state.layer.weight.step", Tensor.of(arena, new double[] {7}),
                                    "param_groups.layer.weight.lr", Tensor.of(arena, new double[] {lr})));
                }
            }
            PyTorchCheckpoint.Found found = PyTorchCheckpoint.load(
                    List.of(file("model"), file("optimizer")),
                    PyTorchCheckpoint.Reading.of(Rule.parse("adamw(lr=0.05)")),
                    file("gatun"));
            assertThat(found.leftOut()).containsExactly("param_groups.layer.weight.lr");
            Tensor weight = Tensor.allocate(arena, DType.F64, 2, 2);
            Tensor gradient = Tensor.allocate(arena, DType.F64, 2, 2);
            try (Device device = Device.cpu(1);
                    Optimizer optimizer =
                            Optimizer.of(device, Adam.w(lr), List.of(Parameter.of("layer.weight", weight)))) {
                optimizer.load(file("gatun"));
                assertThat(optimizer.steps()).isEqualTo(7);
                optimizer.bindGradients(List.of(gradient));
                for (int t = 8; t <= 12; t++) {
                    for (int i = 0; i < 4; i++) {
                        gradient.set(i, weight.get(i) - wanted[i]);
                    }
                    optimizer.step();
                }
                last = weight.toDoubles();
            }
        }
        for (int i = 0; i < 4; i++) {
            assertThat(last[i]).isCloseTo(w[i], within(1e-13));
        }
    }

    /** PyTorch's SGD counts no steps, and its BF16 training has state in BF16 and no masters. */
    @Test
    void stepsAndMastersMayBeMissing() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Tensor weight = Tensor.allocate(arena, DType.BF16, 2);
            Tensor momentum = Tensor.allocate(arena, DType.BF16, 2);
            weight.set(0, 1.5);
            momentum.set(1, -0.75);
            Tensor bare = Tensor.of(arena, new float[] {3}, 1);
            Safetensors.write(
                    file("sgd"), NONE, Map.of("w", weight, "state.w.momentum_buffer", momentum, "frozen", bare));
            Rule rule = Rule.parse("sgd(lr=0.1, momentum=0.9)");
            assertThatThrownBy(() -> PyTorchCheckpoint.load(
                            List.of(file("sgd")), PyTorchCheckpoint.Reading.of(rule), file("gatun")))
                    .hasMessageContaining("there is no 'state.w.step': give the number of steps");
            PyTorchCheckpoint.Found found = PyTorchCheckpoint.load(
                    List.of(file("sgd")),
                    new PyTorchCheckpoint.Reading(rule, OptionalLong.of(40), Set.of()),
                    file("gatun"));
            assertThat(found.stateless()).containsExactly("frozen");
            Checkpoint made = Checkpoint.read(file("gatun"));
            assertThat(made.steps()).isEqualTo(40);
            assertThat(made.parameters().get("w").steps()).isEqualTo(40);
            assertThat(made.parameters().get("frozen").steps()).isZero();
            assertThat(made.state("b", "w").orElseThrow().toFloats()).containsExactly(0, -0.75f);
            assertThat(made.state("master", "w").orElseThrow().toFloats()).containsExactly(1.5f, 0);
            assertThat(made.state("b", "frozen").orElseThrow().toFloats()).containsExactly(0);
            try (Device device = Device.cpu(1);
                    Optimizer optimizer = Optimizer.of(
                            device,
                            rule,
                            List.of(
                                    Parameter.of("w", Tensor.allocate(arena, DType.BF16, 2)),
                                    Parameter.of("frozen", Tensor.allocate(arena, DType.F32, 1))))) {
                optimizer.load(file("gatun"));
                assertThat(optimizer.parameters().getFirst().weight().get(0)).isEqualTo(1.5);
            }
        }
    }

    /** A part of a network may be called "state"; its weights are weights. */
    @Test
    void aLayerMayBeCalledState() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            for (String name : List.of("state.proj.weight", "state.state.proj.weight.momentum_buffer")) {
                tensors.put(name, Tensor.of(arena, new float[] {1, 2}, 2));
            }
            Safetensors.write(file("model"), NONE, tensors);
            PyTorchCheckpoint.load(
                    List.of(file("model")),
                    new PyTorchCheckpoint.Reading(Rule.parse("sgd(lr=1, momentum=0.5)"), OptionalLong.of(1), Set.of()),
                    file("gatun"));
            assertThat(Checkpoint.read(file("gatun")).parameters()).containsOnlyKeys("state.proj.weight");
        }
    }

    /** What does not fit is refused by name, and no file is made. */
    @Test
    void misfitsAreRefusedBeforeAnythingIsWritten() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            Tensor two = Tensor.of(arena, new float[] {1, 2}, 2);
            Tensor three = Tensor.of(arena, new float[] {1, 2, 3}, 3);
            Tensor wide = Tensor.of(arena, new double[] {1, 2}, 2);
            Tensor seven = Tensor.of(arena, new float[] {7});
            Map<String, Tensor> whole =
                    Map.of("w", two, "state.w.exp_avg", two, "state.w.exp_avg_sq", two, "state.w.step", seven);
            refused(whole, null, "nothing in it says which optimizer");
            refused(without(whole, "state.w.exp_avg_sq"), "adam", "there is no 'state.w.exp_avg_sq'");
            refused(without(whole, "state.w.step"), "adam", "there is no 'state.w.step'");
            refused(without(whole, "w"), "adam", "is the state of 'w', whose weight is not there");
            refused(with(whole, "state.w.exp_avg", three), "adam", "'state.w.exp_avg' must be F32[2], and is");
            refused(with(whole, "state.w.exp_avg", wide), "adam", "'state.w.exp_avg' must be F32[2], and is");
            refused(with(whole, "w", wide), "adam", "'state.w.exp_avg' must be F64[2], and is");
            refused(with(whole, "state.w.step", two), "adam", "the step of 'w' must be one whole number");
            refused(
                    with(whole, "state.w.step", Tensor.of(arena, new float[] {1.5f})),
                    "adam",
                    "the step of 'w' must be one whole number");
            refused(
                    with(whole, "state.w.max_exp_avg_sq", two),
                    "adam",
                    "[state.w.max_exp_avg_sq] is no state of adam()");
            refused(whole, "sgd(lr=1, momentum=0.9)", "there is no 'state.w.momentum_buffer'");
            refused(whole, "sgd(lr=1)", "is no state of sgd(lr=1)");
        }
    }

    private void refused(Map<String, Tensor> tensors, String optimizer, String reason) throws IOException {
        Safetensors.write(file("odd"), NONE, tensors);
        PyTorchCheckpoint.Reading reading = optimizer == null
                ? PyTorchCheckpoint.Reading.plain()
                : PyTorchCheckpoint.Reading.of(Rule.parse(optimizer));
        assertThatThrownBy(() -> PyTorchCheckpoint.load(List.of(file("odd")), reading, file("none")))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(file("odd").toString())
                .hasMessageContaining(reason);
        assertThat(file("none")).doesNotExist();
        assertThat(file("none.tmp")).doesNotExist();
    }

    private static Map<String, Tensor> without(Map<String, Tensor> tensors, String name) {
        Map<String, Tensor> fewer = new LinkedHashMap<>(tensors);
        fewer.remove(name);
        return fewer;
    }

    private static Map<String, Tensor> with(Map<String, Tensor> tensors, String name, Tensor tensor) {
        Map<String, Tensor> more = new LinkedHashMap<>(tensors);
        more.put(name, tensor);
        return more;
    }

    /** A file that says it was a checkpoint, altered since. */
    @Test
    void alteredFilesAreRefused() throws IOException {
        try (Training training = new Training("adamw")) {
            training.steps(3);
            training.optimizer.save(file("gatun"));
        }
        PyTorchCheckpoint.save(Checkpoint.read(file("gatun")), file("pytorch"));
        Safetensors saved = Safetensors.read(file("pytorch"));
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        saved.names().forEach(name -> tensors.put(name, saved.tensor(name)));
        altered(saved.metadata(), without(tensors, "layer.bias"), "there is no weight of [layer.bias]");
        altered(saved.metadata(), without(tensors, "state.layer.bias.exp_avg"), "no 'state.layer.bias.exp_avg'");
        try (Arena arena = Arena.ofConfined()) {
            Tensor four = Tensor.of(arena, new float[] {4});
            altered(
                    saved.metadata(),
                    with(tensors, "state.layer.bias.step", four),
                    "'layer.bias' has taken 4 steps, and the metadata");
            altered(saved.metadata(), with(tensors, "more", four), "tensors [more] belong to no parameter");
        }
        Map<String, String> words = Map.of(
                "gatun/gatun_format", "99",
                "gatun/steps", "many",
                "gatun/group_steps", "3, 3",
                "gatun/optimizer", "adamw(lr=fast)",
                "gatun/parameter/layer.bias", "group 5, steps 3, F32 [2]");
        for (Map.Entry<String, String> word : words.entrySet()) {
            Map<String, String> metadata = new LinkedHashMap<>(saved.metadata());
            metadata.put(word.getKey(), word.getValue());
            altered(metadata, tensors, "");
        }
        // With the optimizer given, the tensors count and the metadata does not.
        try (Arena arena = Arena.ofConfined()) {
            Map<String, Tensor> trained = with(tensors, "state.layer.bias.step", Tensor.of(arena, new float[] {9}));
            Safetensors.write(file("trained"), saved.metadata(), trained);
            PyTorchCheckpoint.load(List.of(file("trained")), PyTorchCheckpoint.Reading.of(Adam.w(1e-3)), file("back"));
            assertThat(Checkpoint.read(file("back")).steps()).isEqualTo(9);
        }
    }

    private void altered(Map<String, String> metadata, Map<String, Tensor> tensors, String reason) throws IOException {
        Safetensors.write(file("odd"), metadata, tensors);
        assertThatThrownBy(() ->
                        PyTorchCheckpoint.load(List.of(file("odd")), PyTorchCheckpoint.Reading.plain(), file("none")))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(reason);
        assertThat(file("none")).doesNotExist();
    }

    @Test
    void aTensorOfTwoFilesIsRefused() throws IOException {
        try (Training training = new Training("adamw")) {
            training.optimizer.save(file("gatun"));
        }
        PyTorchCheckpoint.save(Checkpoint.read(file("gatun")), file("pytorch"));
        Files.copy(file("pytorch"), file("again"));
        assertThatThrownBy(() -> PyTorchCheckpoint.load(
                        List.of(file("pytorch"), file("again")), PyTorchCheckpoint.Reading.plain(), file("none")))
                .hasMessageContaining("is in another of the files, too");
    }

    private static final class Training implements AutoCloseable {
        private final Arena arena = Arena.ofConfined();
        private final Device device = Device.cpu(1);
        final Optimizer optimizer;

        Training(String specification) {
            Tensor weight = Tensor.of(arena, new float[] {1, 2, 3, 4}, 2, 2);
            Tensor bias = Tensor.of(arena, new float[] {0, 1}, 2);
            optimizer = Optimizer.of(
                    device,
                    Rule.parse(specification),
                    List.of(Parameter.of("layer.weight", weight), Parameter.of("layer.bias", bias)));
            optimizer.bindGradients(List.of(
                    Tensor.of(arena, new float[] {1, -1, 2, 0.5f}, 2, 2), Tensor.of(arena, new float[] {1, 1}, 2)));
        }

        void steps(int count) {
            for (int i = 0; i < count; i++) {
                optimizer.step();
            }
        }

        @Override
        public void close() {
            optimizer.close();
            device.close();
            arena.close();
        }
    }
}
