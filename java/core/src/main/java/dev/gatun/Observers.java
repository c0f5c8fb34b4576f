package dev.gatun;

import java.nio.file.Path;
import java.util.List;

/** Who is told what happens to an optimizer: its listeners, and the Flight Recorder. */
final class Observers {
    private final Optimizer optimizer;
    private final OptimizerListener[] listeners;

    Observers(Optimizer optimizer, List<OptimizerListener> listeners) {
        this.optimizer = optimizer;
        this.listeners = listeners.toArray(OptimizerListener[]::new);
    }

    /** Whether anybody wants to know of refused steps. */
    boolean wantSkips() {
        return listeners.length > 0 || FlightLog.LOG.wantsSkips();
    }

    /** Before a step; answers what {@link #stepped} takes. */
    Object stepBegins() {
        return FlightLog.LOG.stepBegins();
    }

    void stepped(Object begun, long step) {
        if (begun != null) {
            FlightLog.LOG.stepped(
                    begun,
                    step,
                    optimizer.parameters().size(),
                    optimizer.device().toString());
        }
        for (OptimizerListener listener : listeners) {
            listener.stepped(optimizer, step);
        }
    }

    void skipped(StepReport report) {
        FlightLog.LOG.skipped(report.step(), report.reason());
        for (OptimizerListener listener : listeners) {
            listener.skipped(optimizer, report);
        }
    }

    /** Before a checkpoint is written or read; answers what {@link #saved} and {@link #loaded} take. */
    Object checkpointBegins() {
        return FlightLog.LOG.checkpointBegins();
    }

    void saved(Object begun, Path file) {
        FlightLog.LOG.checkpoint(begun, true, file, optimizer.steps());
        for (OptimizerListener listener : listeners) {
            listener.saved(optimizer, file);
        }
    }

    void loaded(Object begun, Path file) {
        FlightLog.LOG.checkpoint(begun, false, file, optimizer.steps());
        for (OptimizerListener listener : listeners) {
            listener.loaded(optimizer, file);
        }
    }

    void memory(long bytes) {
        for (OptimizerListener listener : listeners) {
            listener.memory(optimizer, bytes);
        }
    }
}
