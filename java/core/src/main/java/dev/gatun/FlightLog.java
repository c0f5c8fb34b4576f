package dev.gatun;

import java.nio.file.Path;

/**
 * The JDK's Flight Recorder, where the runtime has it: a runtime linked without the module jdk.jfr has this interface
 * alone. Nothing is recorded, and nothing allocated, unless a recording asks for an event by its name.
 */
interface FlightLog {
    /** The one there is. */
    FlightLog LOG = isThere() ? new JfrLog() : new FlightLog() {};

    private static boolean isThere() {
        try {
            Class.forName("jdk.jfr.Event", false, FlightLog.class.getClassLoader());
            return true;
        } catch (ClassNotFoundException e) {
            return false;
        }
    }

    /** Whether somebody wants to know of refused steps. */
    default boolean wantsSkips() {
        return false;
    }

    /** Before what takes time: answers what {@link #stepped} takes, or null if nobody asks. */
    default Object stepBegins() {
        return null;
    }

    default void stepped(Object begun, long step, int parameters, String device) {}

    default void skipped(long step, String reason) {}

    /** As {@link #stepBegins}, for {@link #checkpoint}. */
    default Object checkpointBegins() {
        return null;
    }

    default void checkpoint(Object begun, boolean saved, Path file, long step) {}

    /**
     * Memory was allocated on a device, or with negative bytes freed.
     *
     * @param inUse the device's total afterwards
     */
    default void memory(String device, long bytes, long inUse, boolean pinned) {}
}
