package dev.gatun.cli.train;

import java.io.IOException;
import java.nio.file.Path;

/** Whoever turns gradients into new weights: Gatun, or the framework itself for comparison. */
interface Updater extends AutoCloseable {
    /** Updates the weights from the gradients of a backward pass, and zeroes these. */
    void step();

    /** Why the last step was refused, or null if it was taken. */
    String refusal();

    /** The learning rate of a step, from 1. */
    double lr(long step);

    /** Writes what is needed to look at the weights and, if {@link #resumable()}, to go on bit for bit. */
    void save(Path file) throws IOException;

    /** Reads what {@link #save} wrote; returns the steps taken until then. */
    long load(Path file) throws IOException;

    /** Whether a half-done run can be gone on with. */
    boolean resumable();

    @Override
    void close();
}
