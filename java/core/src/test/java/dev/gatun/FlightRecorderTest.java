package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Gatun's events in recordings of the JDK's Flight Recorder, and runtimes that have none. */
class FlightRecorderTest {
    private static final Subject SUBJECT = new Subject("adamw()", DType.F32, null);

    @TempDir
    Path folder;

    /** Two steps, a refused one, a checkpoint there and back, and device memory. */
    private void train() throws IOException {
        try (Device device = Device.cpu(1);
                Run run = new Run(SUBJECT, device)) {
            run.bindAll(1);
            run.step();
            run.problem.gradients.get(9).set(7, Double.NaN);
            run.step();
            run.optimizer.save(folder.resolve("saved"));
            run.optimizer.load(folder.resolve("saved"));
            run.bindAll(2);
            run.step();
            device.allocate(4096).close();
        }
    }

    private List<RecordedEvent> record(String... names) throws IOException {
        Path file = folder.resolve("recording.jfr");
        try (Recording recording = new Recording()) {
            for (String name : names) {
                recording.enable("dev.gatun." + name);
            }
            recording.start();
            train();
            recording.stop();
            recording.dump(file);
        }
        List<RecordedEvent> events = new ArrayList<>();
        for (RecordedEvent event : RecordingFile.readAllEvents(file)) {
            if (event.getEventType().getName().startsWith("dev.gatun.")) {
                events.add(event);
            }
        }
        return events;
    }

    private static List<RecordedEvent> of(List<RecordedEvent> events, String name) {
        return events.stream()
                .filter(event -> event.getEventType().getName().equals("dev.gatun." + name))
                .toList();
    }

    @Test
    void eventsSayWhatHappened() throws IOException {
        train(); // events that existed before a recording are recorded as well
        List<RecordedEvent> events = record("Step", "Skip", "Checkpoint", "DeviceMemory");
        List<RecordedEvent> steps = of(events, "Step");
        assertThat(steps).extracting(event -> event.getLong("step")).containsExactly(1L, 2L, 3L);
        assertThat(steps).extracting(event -> event.getInt("parameters")).containsOnly(Problem.SHAPES.length);
        assertThat(steps).extracting(event -> event.getString("device")).allMatch(name -> name.startsWith("CPU (1"));
        assertThat(steps)
                .extracting(RecordedEvent::getDuration)
                .allMatch(duration -> !duration.isNegative() && !duration.isZero());
        assertThat(of(events, "Skip")).hasSize(1);
        RecordedEvent skip = of(events, "Skip").getFirst();
        assertThat(skip.getLong("step")).isEqualTo(2);
        assertThat(skip.getString("reason")).contains("'p9' has a NaN");
        List<RecordedEvent> checkpoints = of(events, "Checkpoint");
        assertThat(checkpoints).extracting(event -> event.getBoolean("saved")).containsExactly(true, false);
        assertThat(checkpoints)
                .extracting(event -> event.getString("file"))
                .containsOnly(folder.resolve("saved").toString());
        assertThat(checkpoints).extracting(event -> event.getLong("step")).containsOnly(2L);
        List<RecordedEvent> memory = of(events, "DeviceMemory");
        assertThat(memory)
                .extracting(event -> event.getLong("bytes"))
                .contains(4096L, -4096L)
                .satisfies(all ->
                        assertThat(all.stream().mapToLong(each -> each).sum()).isZero());
        long inUse = 0;
        for (RecordedEvent event : memory) {
            inUse += event.getLong("bytes");
            assertThat(event.getLong("inUse")).isEqualTo(inUse);
            assertThat(event.getString("device")).isEqualTo("CPU");
        }
        assertThat(inUse).isZero();
    }

    @Test
    void nothingIsRecordedThatNobodyAskedFor() throws IOException {
        assertThat(record()).isEmpty();
        assertThat(record("Skip"))
                .extracting(event -> event.getEventType().getName())
                .containsOnly("dev.gatun.Skip");
    }

    /** For a JVM of its own: trains, and says which recorder there is. */
    static final class Trains {
        public static void main(String[] arguments) throws IOException {
            boolean there = ModuleLayer.boot().findModule("jdk.jfr").isPresent();
            long[] steps = new long[1];
            try (var arena = java.lang.foreign.Arena.ofConfined();
                    Device device = Device.cpu(1);
                    Optimizer optimizer = Optimizer.builder(device)
                            .group(Adam.of(0.1), List.of(Parameter.of("w", Tensor.of(arena, new float[] {1, 2}))))
                            .listener(new OptimizerListener() {
                                @Override
                                public void stepped(Optimizer stepped, long step) {
                                    steps[0] = step;
                                }
                            })
                            .build()) {
                optimizer.bindGradient(0, Tensor.of(arena, new float[] {1, Float.NaN}));
                optimizer.step();
                boolean skipped = optimizer.report().skipped();
                optimizer.save(Path.of("saved"));
                optimizer.load(Path.of("saved"));
                System.out.println("jdk.jfr " + there + ", "
                        + FlightLog.LOG.getClass().getSimpleName() + ", steps " + steps[0] + ", skipped " + skipped);
            }
        }
    }

    @Test
    void aRuntimeWithoutTheModuleTrains() throws Exception {
        List<String> arguments = new ArrayList<>(ChildJvm.main(Trains.class));
        assertThat(ChildJvm.run(folder, arguments).output()).contains("jdk.jfr true, JfrLog, steps 1, skipped true");
        arguments.addAll(0, List.of("--limit-modules", "java.base"));
        ChildJvm.Result result = ChildJvm.run(folder, arguments);
        assertThat(result.output()).contains("jdk.jfr false, , steps 1, skipped true");
        assertThat(result.exit()).isZero();
    }
}
