package dev.gatun;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Reads the strings of {@link Schedule#parse}. */
final class ScheduleParser {
    /** Every phase as one writes it. */
    private static final Map<String, String> FORMS = Map.of(
            "constant", "constant(N)",
            "warmup", "warmup(N)",
            "cosine", "cosine(TOTAL)",
            "polynomial", "polynomial(TOTAL, POWER)",
            "onecycle", "onecycle(TOTAL)",
            "step", "step(EVERY, FACTOR)",
            "exponential", "exponential(FACTOR)",
            "multistep", "multistep(AT, ..., FACTOR)",
            "plateau", "plateau(factor=0.1, patience=10)");

    private static final List<String> PHASES = FORMS.keySet().stream().sorted().toList();

    /** Those that nothing has to be said of. */
    private static final List<String> BARE = List.of("constant", "cosine", "polynomial", "onecycle", "plateau");

    private record Given(String text, int position) {}

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

    /** @param before the steps of the phases before, {@link Long#MAX_VALUE} behind one that never ends */
    private Schedule phase(long before) {
        int start = in.position();
        String name = in.word("a phase, such as constant, warmup(N), cosine or step(EVERY, FACTOR),");
        if (!PHASES.contains(name)) {
            throw in.error(
                    "there is no schedule '" + name + "'" + Nearest.hint(name, PHASES) + " There are "
                            + String.join(", ", PHASES),
                    start);
        }
        boolean open = in.take('(');
        if (!open && !BARE.contains(name)) {
            throw in.error("'" + name + "' has no '(': write " + FORMS.get(name), in.position());
        }
        boolean filled = open && !in.atNameEnd();
        long from = before == Long.MAX_VALUE ? 0 : before; // that nothing can follow is said later
        Schedule phase = switch (name) {
            case "constant" -> filled ? Schedule.constant(count(name)) : Schedule.constant();
            case "warmup" -> Schedule.warmup(count(name));
            case "cosine" -> Schedule.cosine(total(name, filled, from, start));
            case "polynomial" -> polynomial(filled, from, start);
            case "onecycle" -> oneCycle(filled, from, start);
            case "step" -> step();
            case "exponential" -> Schedule.exponential(number("factor"));
            case "multistep" -> multiStep(from);
            default -> new Plateau(filled ? plateau() : Plateau.settings());
        };
        if (open) {
            in.require(')', "the closing ')' of '" + name + "' is missing");
        }
        return phase;
    }

    private Schedule step() {
        long every = count("every");
        in.require(',', "step needs two numbers: step(EVERY, FACTOR)");
        return Schedule.step(every, number("factor"));
    }

    private Schedule polynomial(boolean filled, long before, int start) {
        long total = total("polynomial", filled, before, start);
        return Schedule.polynomial(total, filled && in.take(',') ? number("power") : 1);
    }

    private Schedule oneCycle(boolean filled, long before, int start) {
        boolean placed = filled && !in.atKey();
        long total = total("onecycle", placed, before, start);
        boolean more = filled && (!placed || in.take(','));
        Map<String, Given> keys =
                more ? keys("onecycle", List.of("pct_start", "div_factor", "final_div_factor")) : Map.of();
        return Schedule.oneCycle(
                total,
                number(keys, "pct_start", 0.3),
                number(keys, "div_factor", 25),
                number(keys, "final_div_factor", 1e4));
    }

    /** Steps up to the last argument, which is the factor. */
    private Schedule multiStep(long before) {
        List<Long> milestones = new ArrayList<>();
        while (true) {
            int at = in.position();
            String value = in.argument("a step, or the factor as the last number,");
            boolean share = in.take('%');
            if (!in.take(',')) {
                if (share || milestones.isEmpty()) {
                    throw in.error("multistep ends with its factor: multistep(AT, ..., FACTOR)", at);
                }
                return Schedule.multiStep(milestones, in.number("factor", value, at));
            }
            long place = share ? share("milestone", value, at) : in.whole("milestone", value, at, Long.MAX_VALUE - 1);
            requireBehind(place, before, at);
            milestones.add(place - before);
        }
    }

    private Plateau.Settings plateau() {
        Plateau.Settings standard = Plateau.settings();
        Map<String, Given> keys = keys(
                "plateau",
                List.of("mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "min_lr", "eps"));
        return new Plateau.Settings(
                word(keys, "mode", standard.mode()),
                number(keys, "factor", standard.factor()),
                whole(keys, "patience", standard.patience()),
                number(keys, "threshold", standard.threshold()),
                word(keys, "threshold_mode", standard.thresholdMode()),
                whole(keys, "cooldown", standard.cooldown()),
                number(keys, "min_lr", standard.minLr()),
                number(keys, "eps", standard.eps()));
    }

    /** The length of a phase that ends at a place, counted from the beginning, or with the training. */
    private long total(String name, boolean given, long before, int start) {
        long end = given ? count(name) : totalSteps;
        if (end <= before) {
            throw in.error(
                    "the " + name + " ends at step " + end + ", and begins only after step " + before
                            + ": its number counts from the beginning of the training",
                    start);
        }
        return end - before;
    }

    private void requireBehind(long place, long before, int at) {
        if (before > 0 && place <= before) {
            throw in.error(
                    "the milestone is step " + place + ", and the phase begins only after step " + before
                            + ": it counts from the beginning of the training",
                    at);
        }
    }

    /** A number of steps, or a share of all. */
    private long count(String name) {
        int at = in.position();
        String value = in.argument(name + ", a number of steps or a share such as 5%,");
        return in.take('%') ? share(name, value, at) : in.whole(name, value, at, Long.MAX_VALUE - 1);
    }

    private long share(String name, String value, int at) {
        double percent = in.number(name, value, at);
        if (!(percent >= 0 && percent <= 100)) {
            throw in.error(name + " must be from 0% to 100%, and is " + value + "%", at);
        }
        return Math.round(percent / 100 * totalSteps);
    }

    private double number(String name) {
        int at = in.position();
        return in.number(name, in.argument(name + ", a number,"), at);
    }

    /** Arguments {@code key=value}, joined by commas, as far as the closing parenthesis. */
    private Map<String, Given> keys(String name, List<String> known) {
        Map<String, Given> keys = new HashMap<>();
        do {
            int start = in.position();
            String key = in.word("a key of '" + name + "'");
            if (!known.contains(key)) {
                throw in.error(
                        "'" + name + "' has no key '" + key + "'" + Nearest.hint(key, known) + " It has "
                                + String.join(", ", known),
                        start);
            }
            in.require('=', "'" + key + "' has no value: write " + key + "=...");
            int at = in.position();
            if (keys.put(key, new Given(in.value(key), at)) != null) {
                throw in.error("'" + key + "' is given twice", start);
            }
        } while (in.take(','));
        return keys;
    }

    private double number(Map<String, Given> keys, String key, double standard) {
        Given given = keys.get(key);
        return given == null ? standard : in.number(key, given.text, given.position);
    }

    private long whole(Map<String, Given> keys, String key, long standard) {
        Given given = keys.get(key);
        return given == null ? standard : in.whole(key, given.text, given.position, Long.MAX_VALUE - 1);
    }

    private <E extends Enum<E>> E word(Map<String, Given> keys, String key, E standard) {
        Given given = keys.get(key);
        if (given == null) {
            return standard;
        }
        List<String> words = new ArrayList<>();
        for (E constant : standard.getDeclaringClass().getEnumConstants()) {
            words.add(RuleForm.Key.print(constant));
            if (words.getLast().equals(given.text)) {
                return constant;
            }
        }
        throw in.error(
                key + " must be " + String.join(" or ", words) + ", and is '" + given.text + "'"
                        + Nearest.hint(given.text, words),
                given.position);
    }
}
