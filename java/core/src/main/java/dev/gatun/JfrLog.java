package dev.gatun;

import java.nio.file.Path;
import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Enabled;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** Gatun's events; only this class and its nested ones need the module jdk.jfr. */
final class JfrLog implements FlightLog {
    /** A step. */
    @Name("dev.gatun.Step")
    @Label("Optimizer Step")
    @Description("A call of Optimizer.step(); on a GPU only its asking")
    @Category("Gatun")
    @Enabled(false)
    @StackTrace(false)
    static final class StepEvent extends Event {
        @Label("Step")
        long step;

        @Label("Parameters")
        int parameters;

        @Label("Device")
        String device;
    }

    /** A refused step. */
    @Name("dev.gatun.Skip")
    @Label("Refused Step")
    @Category("Gatun")
    @Enabled(false)
    @StackTrace(false)
    static final class SkipEvent extends Event {
        @Label("Step")
        long step;

        @Label("Reason")
        String reason;
    }

    /** A checkpoint. */
    @Name("dev.gatun.Checkpoint")
    @Label("Checkpoint")
    @Category("Gatun")
    @Enabled(false)
    static final class CheckpointEvent extends Event {
        @Label("Saved")
        @Description("or else loaded")
        boolean saved;

        @Label("File")
        String file;

        @Label("Step")
        long step;
    }

    /** Memory of a device. */
    @Name("dev.gatun.DeviceMemory")
    @Label("Device Memory")
    @Category("Gatun")
    @Enabled(false)
    static final class MemoryEvent extends Event {
        @Label("Device")
        String device;

        @Label("Bytes")
        @Description("Allocated, or if negative freed")
        long bytes;

        @Label("In Use")
        @DataAmount
        long inUse;

        @Label("Pinned")
        @Description("Memory of the host that the device copies from and to")
        boolean pinned;
    }

    /** They are asked whether theirs is wanted: that is an answer of the class, and costs no event. */
    private static final StepEvent STEP = new StepEvent();

    private static final SkipEvent SKIP = new SkipEvent();
    private static final CheckpointEvent CHECKPOINT = new CheckpointEvent();
    private static final MemoryEvent MEMORY = new MemoryEvent();

    @Override
    public boolean wantsSkips() {
        return SKIP.isEnabled();
    }

    @Override
    public Object stepBegins() {
        if (!STEP.isEnabled()) {
            return null;
        }
        StepEvent event = new StepEvent();
        event.begin();
        return event;
    }

    @Override
    public void stepped(Object begun, long step, int parameters, String device) {
        if (begun instanceof StepEvent event) {
            event.end();
            event.step = step;
            event.parameters = parameters;
            event.device = device;
            event.commit();
        }
    }

    @Override
    public void skipped(long step, String reason) {
        if (SKIP.isEnabled()) {
            SkipEvent event = new SkipEvent();
            event.step = step;
            event.reason = reason;
            event.commit();
        }
    }

    @Override
    public Object checkpointBegins() {
        if (!CHECKPOINT.isEnabled()) {
            return null;
        }
        CheckpointEvent event = new CheckpointEvent();
        event.begin();
        return event;
    }

    @Override
    public void checkpoint(Object begun, boolean saved, Path file, long step) {
        if (begun instanceof CheckpointEvent event) {
            event.end();
            event.saved = saved;
            event.file = file.toString();
            event.step = step;
            event.commit();
        }
    }

    @Override
    public void memory(String device, long bytes, long inUse, boolean pinned) {
        if (MEMORY.isEnabled()) {
            MemoryEvent event = new MemoryEvent();
            event.device = device;
            event.bytes = bytes;
            event.inUse = inUse;
            event.pinned = pinned;
            event.commit();
        }
    }
}
