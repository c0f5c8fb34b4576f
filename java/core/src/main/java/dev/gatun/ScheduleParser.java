package dev.gatun;

import java.util.List;

/** Reads the strings of {@link Schedule#parse}. */
final class ScheduleParser {
    private static final List<String> PHASES = List.of("constant", "warmup", "cosine", "step");

    private final Scanner in;
    private final long totalSteps;

    ScheduleParser(String specification, long totalSteps) {
        this.in = new Scanner(Check.notNull("specification", specification));
        this.totalSteps = Check.atLeast("totalSteps", totalSteps, 1);
    }

    Schedule parse() {
        Schedule schedule = null;
        do {
            int start = in.position();
            try {
                schedule = schedule == null ? phase(0) : schedule.then(phase(schedule.length()));
            } catch (SpecificationException e) {
                throw e;
            } catch (IllegalArgumentException e) {
                throw in.error(e.getMessage(), start);
            }
        } while (in.take('+'));
        if (!in.atEnd()) {
            throw in.error("a '+' and another phase, or the end, is expected", in.position());
        }
        return schedule;
    }

    private Schedule phase(long before) {
        int start = in.position();
        String name = in.word("a phase: constant, warmup(N), cosine or step(EVERY, FACTOR)");
        if (!PHASES.contains(name)) {
            throw in.error(
                    "there is no schedule '" + name + "'" + Nearest.hint(name, PHASES) + " There are "
                            + String.join(", ", PHASES),
                    start);
        }
        boolean open = in.take('(');
        if (!open && (name.equals("warmup") || name.equals("step"))) {
            throw in.error(
                    "'" + name + "' has no '(': write " + (name.equals("step") ? "step(EVERY, FACTOR)" : "warmup(N)"),
                    in.position());
        }
        Schedule phase = switch (name) {
            case "constant" -> open ? Schedule.constant(steps("constant")) : Schedule.constant();
            case "warmup" -> Schedule.warmup(steps("warmup"));
            case "cosine" -> cosine(open ? steps("cosine") : totalSteps, before, start);
            default -> stepwise();
        };
        if (open) {
            in.require(')', "the closing ')' of '" + name + "' is missing");
        }
        return phase;
    }

    private Schedule cosine(long end, long before, int start) {
        if (before != Long.MAX_VALUE && end <= before) {
            throw in.error(
                    "the cosine ends at step " + end + ", and begins only after step " + before
                            + ": its number counts from the beginning of the training",
                    start);
        }
        return Schedule.cosine(before == Long.MAX_VALUE ? end : end - before);
    }

    private Schedule stepwise() {
        long every = steps("every");
        in.require(',', "step needs two numbers: step(EVERY, FACTOR)");
        int at = in.position();
        return Schedule.step(every, in.number("factor", in.value("factor"), at));
    }

    /** A number of steps, or a share of all. */
    private long steps(String name) {
        int at = in.position();
        String value = in.value(name);
        if (!in.take('%')) {
            return in.whole(name, value, at, Long.MAX_VALUE - 1);
        }
        double percent = in.number(name, value, at);
        if (!(percent >= 0 && percent <= 100)) {
            throw in.error(name + " must be from 0% to 100%, and is " + value + "%", at);
        }
        return Math.round(percent / 100 * totalSteps);
    }
}
