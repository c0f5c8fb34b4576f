package dev.gatun.cli.train;

import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import java.util.List;

/**
 * What is trained: data, a network, batches, and what to compare the result with. Everything else of a run is the same
 * for all tasks. All are classifiers: a network gives a score for each class, the loss is the cross entropy.
 */
interface Task {
    /** The network, without weights yet: a batch of {@link #input} to (batch, classes). */
    Block network();

    /** The shape of a batch. */
    Shape input(int batch);

    /** Where batches of some size come from; what they hold is drawn anew for each. */
    Batches batches(int size);

    /** What a loss in bits is counted per: character, image. */
    String example();

    /** What guessing gets, worst last. */
    List<Baseline> baselines();

    /** The data in a line, for people. */
    String summary();

    /** The data in a table, for the report. */
    List<Fact> facts();

    /** Changes with every example: a resumed run must find the data it began with. */
    String fingerprint();

    /** One row of that table. */
    record Fact(String name, String value) {}
}
