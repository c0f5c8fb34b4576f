package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@link OptimizerListener} is told, in which order, on every device. */
@Tag("device")
class ListenerTest {
    @TempDir
    Path folder;

    /** Writes down what it is told. */
    private static final class Notes implements OptimizerListener {
        final List<String> notes = new ArrayList<>();
        final List<Long> memory = new ArrayList<>();

        @Override
        public void stepped(Optimizer optimizer, long step) {
            assertThat(step).isEqualTo(optimizer.steps());
            notes.add("step " + step);
        }

        @Override
        public void skipped(Optimizer optimizer, StepReport report) {
            assertThat(report.reason()).contains("'p9'");
            notes.add("skip " + report.step());
        }

        @Override
        public void saved(Optimizer optimizer, Path file) {
            assertThat(file).exists();
            notes.add("saved");
        }

        @Override
        public void loaded(Optimizer optimizer, Path file) {
            notes.add("loaded at " + optimizer.steps());
        }

        @Override
        public void memory(Optimizer optimizer, long bytes) {
            memory.add(bytes);
        }
    }

    private final Notes notes = new Notes();

    private Run run(Device device) {
        return new Run(new Subject("adamw()", DType.F32, null), device, builder -> builder.listener(notes));
    }

    @Test
    void itIsToldInOrder() throws IOException {
        Path file = folder.resolve("run");
        try (Device device = TestDevice.open(1);
                Run run = run(device)) {
            run.bindAll(1);
            run.step();
            run.problem.gradients.get(9).set(7, Double.NaN);
            run.step();
            run.optimizer.report(); // on a GPU only now somebody looks
            run.optimizer.report();
            run.optimizer.save(file);
            run.bindAll(2);
            run.step();
            run.optimizer.load(file);
        }
        assertThat(notes.notes).containsExactly("step 1", "step 2", "skip 2", "saved", "step 3", "loaded at 2");
    }

    @Test
    void onTheCpuARefusalNeedsNoAsking() {
        if (TestDevice.isCuda()) {
            return;
        }
        try (Device device = Device.cpu(1);
                Run run = run(device)) {
            run.bindAll(1);
            run.problem.gradients.get(9).set(7, Double.NaN);
            run.step();
            assertThat(notes.notes).containsExactly("step 1", "skip 1");
        }
    }

    @Test
    void memoryIsWhatTheDeviceSaysToo() {
        try (Device device = TestDevice.open(1)) {
            long others;
            try (Run run = run(device)) {
                long state = notes.memory.getFirst();
                long elements =
                        run.problem.weights().stream().mapToLong(Tensor::length).sum();
                assertThat(state).isGreaterThanOrEqualTo(2 * 4 * elements);
                others = device.allocatedBytes() - state; // the problem's own
                run.optimizer.reportNorms(Norms.GRADIENTS);
                run.optimizer.reportNorms(Norms.GRADIENTS_AND_UPDATES);
                run.optimizer.reportNorms(Norms.GRADIENTS_AND_UPDATES);
                assertThat(notes.memory).hasSize(2);
                assertThat(notes.memory.getLast()).isGreaterThanOrEqualTo(state + 4 * elements);
                assertThat(device.allocatedBytes()).isEqualTo(others + notes.memory.getLast());
                run.optimizer.close();
                assertThat(notes.memory).hasSize(3).endsWith(0L);
                assertThat(device.allocatedBytes()).isEqualTo(others);
            }
            assertThat(device.allocatedBytes()).isZero();
        }
    }

    @Test
    void whatItThrowsComesOutOfAStepThatWasTaken() {
        OptimizerListener angry = new OptimizerListener() {
            @Override
            public void stepped(Optimizer optimizer, long step) {
                throw new IllegalStateException("no more");
            }
        };
        try (Device device = TestDevice.open(1);
                Run run =
                        new Run(new Subject("adamw()", DType.F32, null), device, builder -> builder.listener(angry))) {
            run.bindAll(1);
            assertThatIllegalStateException().isThrownBy(run::step).withMessage("no more");
            assertThat(run.optimizer.steps()).isEqualTo(1);
            assertThat(run.optimizer.stepsTaken(9)).isEqualTo(1);
        }
    }
}
