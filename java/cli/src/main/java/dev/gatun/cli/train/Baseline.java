package dev.gatun.cli.train;

/**
 * A line to beat: what guessing without a network gets on the validation data.
 *
 * @param name how it guesses
 * @param score NaN for what it has not
 */
record Baseline(String name, Score score) {}
