package dev.gatun;

import java.nio.charset.StandardCharsets;

/** What Jazzer calls to fuzz the strings of rules and schedules. See {@link FuzzCorpusTest}. */
public final class SpecificationFuzz {
    private static final long TOTAL_STEPS = 1000;

    private SpecificationFuzz() {}

    /** Reads it as a rule and as a schedule; one that is accepted is the same once it is printed and read again. */
    public static void fuzzerTestOneInput(byte[] input) {
        String text = new String(input, StandardCharsets.UTF_8);
        rule(text);
        schedule(text);
    }

    private static void rule(String text) {
        Rule rule;
        try {
            rule = Rule.parse(text);
        } catch (SpecificationException e) {
            requirePlace(e, text);
            return;
        }
        if (!Rule.parse(rule.toString()).equals(rule)) {
            throw new AssertionError(rule + " is read as " + Rule.parse(rule.toString()));
        }
    }

    private static void schedule(String text) {
        Schedule schedule;
        try {
            schedule = Schedule.parse(text, TOTAL_STEPS);
        } catch (SpecificationException e) {
            requirePlace(e, text);
            return;
        }
        String printed = schedule.toString();
        String again = Schedule.parse(printed, TOTAL_STEPS).toString();
        if (!again.equals(printed)) {
            throw new AssertionError(printed + " is read as " + again);
        }
        for (long step : new long[] {1, 2, TOTAL_STEPS, TOTAL_STEPS + 1, Long.MAX_VALUE}) {
            double rate = schedule.rate(step, 1);
            if (!(rate >= 0)) {
                throw new AssertionError(printed + " gives " + rate + " at step " + step);
            }
        }
    }

    private static void requirePlace(SpecificationException e, String text) {
        if (e.position() < 0
                || e.position() > text.length()
                || !e.specification().equals(text)) {
            throw new AssertionError("the place " + e.position() + " is not in '" + text + "'", e);
        }
    }
}
