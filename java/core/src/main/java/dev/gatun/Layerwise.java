package dev.gatun;

/** What {@link LAdam} and {@link LAdaBelief} average over a layer. */
public enum Layerwise {
    /** The increments of the second moment: the published form, with one number of state for a layer. */
    PRE,
    /** The step sizes. The abstract of the paper names it and no code has it: a reconstruction. */
    POST
}
