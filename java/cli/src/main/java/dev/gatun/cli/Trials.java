package dev.gatun.cli;

import com.google.gson.JsonObject;
import dev.gatun.Rule;
import java.io.IOException;
import java.util.Map;

/** What {@code gatun compare} tries every optimizer and rate on: the same start, the same gradients or batches. */
public interface Trials extends AutoCloseable {
    /**
     * One optimizer at one learning rate.
     *
     * @param rule with that rate
     * @param lr the rate
     * @param result what is ranked by, smaller is better; not finite if there is none
     * @param more numbers beside it, by name
     * @param remark what a reader has to know before comparing it, or nothing
     */
    record Trial(Rule rule, double lr, double result, Map<String, Double> more, String remark) {}

    /** What is tried on, in a line. */
    String summary();

    /** What {@link Trial#result} is called. */
    String measure();

    /** Specifications that are compared where the user names none, joined by semicolons. */
    String optimizers();

    /**
     * Tries a rule.
     *
     * @param label what to call it while it runs
     * @return null if it was asked to stop
     */
    Trial run(Rule rule, String label) throws IOException;

    /** The settings, for JSON. */
    JsonObject settings();

    @Override
    void close();
}
