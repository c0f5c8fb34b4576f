package dev.gatun.cli.train;

/** Data that is not trained on. */
enum Part {
    /** Looked at on the way, and what settings are chosen by. */
    VALIDATION,
    /** Looked at at the end; nothing is chosen by it. */
    TEST
}
