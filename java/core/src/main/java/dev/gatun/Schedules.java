package dev.gatun;

import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;
import java.util.stream.Collectors;

/**
 * The schedules that have strings. {@code length} is the number of steps, {@link Long#MAX_VALUE} for no end. A rate is
 * part of a step's bits and is asked for within the step, so it is made by {@link Elementary}, and nothing is allocated.
 */
final class Schedules {
    private Schedules() {}

    /** One whose string has places, counted from the beginning of the training, and not of the phase. */
    sealed interface Placed extends Schedule {
        /** The same with places that many steps later: what is printed of a phase behind others. */
        Schedule later(long steps);
    }

    record Constant(long length) implements Schedule {
        Constant {
            Check.atLeast("steps", length, 0);
        }

        @Override
        public double rate(long step, double lr) {
            return lr;
        }

        @Override
        public String toString() {
            return length == Long.MAX_VALUE ? "constant" : "constant(" + length + ")";
        }
    }

    record Warmup(long length) implements Schedule {
        Warmup {
            Check.atLeast("steps", length, 0);
        }

        @Override
        public double rate(long step, double lr) {
            return step >= length ? lr : lr * ((double) step / length);
        }

        @Override
        public String toString() {
            return "warmup(" + length + ")";
        }
    }

    record Cosine(long length) implements Placed {
        Cosine {
            Check.atLeast("total", length, 1);
        }

        @Override
        public double rate(long step, double lr) {
            return step > length ? 0 : lr * Elementary.fall(step - 1, length);
        }

        @Override
        public Schedule later(long steps) {
            return new Cosine(length + steps);
        }

        @Override
        public String toString() {
            return "cosine(" + length + ")";
        }
    }

    record Polynomial(long length, double power) implements Placed {
        Polynomial {
            Check.atLeast("total", length, 1);
            power = Check.atLeastZero("power", power);
        }

        @Override
        public double rate(long step, double lr) {
            long left = Math.max(0, length - (step - 1));
            return lr * Elementary.power((double) left / length, power);
        }

        @Override
        public Schedule later(long steps) {
            return new Polynomial(length + steps, power);
        }

        @Override
        public String toString() {
            return "polynomial(" + length + (power == 1 ? "" : ", " + RuleForm.Key.number(power)) + ")";
        }
    }

    record OneCycle(long length, double pctStart, double divFactor, double finalDivFactor) implements Placed {
        OneCycle {
            Check.atLeast("total", length, 1);
            pctStart = Check.belowOne("pctStart", pctStart);
            divFactor = Check.atLeastOne("divFactor", divFactor);
            finalDivFactor = Check.atLeastOne("finalDivFactor", finalDivFactor);
        }

        OneCycle(long length) {
            this(length, 0.3, 25, 1e4);
        }

        @Override
        public double rate(long step, double lr) {
            double last = length - 1;
            double done = Math.min(step - 1, last);
            double peak = pctStart * length - 1; // not a whole number in general, and below 0 in short ones
            double first = lr / divFactor;
            return done <= peak && peak > 0
                    ? between(first, lr, Elementary.fall(done, peak))
                    : between(lr, first / finalDivFactor, Elementary.fall(done - peak, last - peak));
        }

        private static double between(double from, double to, double left) {
            return to + (from - to) * left;
        }

        @Override
        public Schedule later(long steps) {
            return new OneCycle(length + steps, pctStart, divFactor, finalDivFactor);
        }

        @Override
        public String toString() {
            OneCycle plain = new OneCycle(length);
            StringJoiner arguments = new StringJoiner(", ", "onecycle(", ")").add(Long.toString(length));
            add(arguments, "pct_start", pctStart, plain.pctStart);
            add(arguments, "div_factor", divFactor, plain.divFactor);
            add(arguments, "final_div_factor", finalDivFactor, plain.finalDivFactor);
            return arguments.toString();
        }
    }

    /** Adds {@code key=value} to a string where the value is not the default. */
    static void add(StringJoiner arguments, String key, double value, double standard) {
        if (value != standard) {
            arguments.add(key + "=" + RuleForm.Key.number(value));
        }
    }

    static void add(StringJoiner arguments, String key, long value, long standard) {
        if (value != standard) {
            arguments.add(key + "=" + value);
        }
    }

    record Steps(long every, double factor) implements Schedule {
        Steps {
            Check.atLeast("every", every, 1);
            factor = Check.atLeastZero("factor", factor);
        }

        @Override
        public double rate(long step, double lr) {
            return lr * Elementary.power(factor, (step - 1) / every);
        }

        @Override
        public String toString() {
            String number = RuleForm.Key.number(factor);
            return every == 1 ? "exponential(" + number + ")" : "step(" + every + ", " + number + ")";
        }
    }

    record MultiStep(List<Long> milestones, double factor) implements Placed {
        MultiStep {
            milestones = List.copyOf(Check.notNull("milestones", milestones));
            long before = 0;
            for (long milestone : milestones) {
                if (milestone <= before) {
                    throw new IllegalArgumentException(
                            "milestones must be 1 or more and increase, and are " + milestones);
                }
                before = milestone;
            }
            if (milestones.isEmpty()) {
                throw new IllegalArgumentException("milestones must be one or more, and there are none");
            }
            factor = Check.atLeastZero("factor", factor);
        }

        @Override
        public double rate(long step, double lr) {
            long passed = 0;
            for (int i = 0; i < milestones.size(); i++) { // an iterator would be garbage of a step
                passed += milestones.get(i) < step ? 1 : 0;
            }
            return lr * Elementary.power(factor, passed);
        }

        @Override
        public Schedule later(long steps) {
            return new MultiStep(
                    milestones.stream().map(milestone -> milestone + steps).toList(), factor);
        }

        @Override
        public String toString() {
            return milestones.stream()
                    .map(Object::toString)
                    .collect(Collectors.joining(", ", "multistep(", ", " + RuleForm.Key.number(factor) + ")"));
        }
    }

    record Sequence(Schedule first, Schedule next) implements Schedule {
        Sequence {
            if (first.length() == Long.MAX_VALUE) {
                throw new IllegalArgumentException(
                        first + " never ends, so nothing can follow it: give it a number of steps");
            }
        }

        @Override
        public long length() {
            long sum = first.length() + next.length();
            return next.length() == Long.MAX_VALUE || sum < 0 ? Long.MAX_VALUE : sum;
        }

        @Override
        public double rate(long step, double lr) {
            return step <= first.length() ? first.rate(step, lr) : next.rate(step - first.length(), lr);
        }

        @Override
        public List<Schedule> phases() {
            List<Schedule> phases = new ArrayList<>(first.phases());
            phases.addAll(next.phases());
            return List.copyOf(phases);
        }

        @Override
        public void observe(double metric) {
            first.observe(metric);
            next.observe(metric);
        }

        @Override
        public String state() {
            List<String> states = phases().stream().map(Schedule::state).toList();
            return states.stream().allMatch(String::isEmpty) ? "" : String.join("|", states);
        }

        @Override
        public void restore(String state) {
            List<Schedule> phases = phases();
            List<String> states =
                    state.isEmpty() ? phases.stream().map(phase -> "").toList() : List.of(state.split("\\|", -1));
            if (states.size() != phases.size()) {
                throw new IllegalArgumentException("the state '" + state + "' is of " + states.size() + " phases, and "
                        + this + " has " + phases.size());
            }
            restoreAll(phases, states);
        }

        @Override
        public String toString() {
            StringJoiner text = new StringJoiner("+");
            long before = 0;
            for (Schedule phase : phases()) {
                text.add((phase instanceof Placed placed ? placed.later(before) : phase).toString());
                before = Math.max(before, before + phase.length()); // the last may never end
            }
            return text.toString();
        }
    }

    /** Gives every schedule its state, or if one refuses it leaves all as they were. */
    static void restoreAll(List<Schedule> schedules, List<String> states) {
        List<String> before = schedules.stream().map(Schedule::state).toList();
        try {
            for (int i = 0; i < schedules.size(); i++) {
                schedules.get(i).restore(states.get(i));
            }
        } catch (IllegalArgumentException refused) {
            for (int i = 0; i < schedules.size(); i++) {
                schedules.get(i).restore(before.get(i));
            }
            throw refused;
        }
    }
}
