package dev.gatun;

import java.util.Locale;
import java.util.StringJoiner;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Lowers the learning rate when a metric has stopped getting better: PyTorch's {@code ReduceLROnPlateau}, number by number.
 * Tell it the metric whenever there is one, such as the validation loss after every epoch; {@link #rate} is asked by the
 * optimizer. What it has seen is saved in checkpoints.
 *
 * <pre>{@code
 * var plateau = new Plateau(Plateau.settings().withPatience(3));
 * var group = ParameterGroup.of(Adam.w(1e-3), parameters).withSchedule(Schedule.warmup(100).then(plateau));
 * ...
 * plateau.observe(validationLoss);
 * }</pre>
 *
 * <p>Use it on the optimizer's thread.
 */
public final class Plateau implements Schedule {
    /** Which metric is better. */
    public enum Mode {
        /** The smaller one: a loss. */
        MIN,
        /** The larger one: an accuracy. */
        MAX
    }

    /** What {@link Settings#threshold} is measured by. */
    public enum ThresholdMode {
        /** The best metric so far: better is below best * (1 - threshold), or above best * (1 + threshold). */
        REL,
        /** Itself: better is below best - threshold, or above best + threshold. */
        ABS
    }

    /**
     * When and how far the rate is lowered; names and defaults are PyTorch's.
     *
     * @param mode which metric is better; min
     * @param factor what the rate is multiplied by, 0 or more and below 1; 0.1
     * @param patience so many metrics in a row may be no better; the next lowers the rate; 0 or more; 10
     * @param threshold by how much a metric has to be better to count; 0 or more; 1e-4
     * @param thresholdMode what threshold is measured by; rel
     * @param cooldown so many metrics after a reduction are not held against it; 0 or more; 0
     * @param minLr the rate is never lowered below; 0 or more; 0
     * @param eps a reduction by no more than this is left out; 0 or more; 1e-8
     */
    public record Settings(
            Mode mode,
            double factor,
            long patience,
            double threshold,
            ThresholdMode thresholdMode,
            long cooldown,
            double minLr,
            double eps) {
        /**
         * Checks the settings.
         *
         * @throws IllegalArgumentException with the parameter's name and value, for one out of range
         */
        public Settings {
            Check.notNull("mode", mode);
            factor = Check.belowOne("factor", factor);
            Check.atLeast("patience", patience, 0);
            threshold = Check.atLeastZero("threshold", threshold);
            Check.notNull("thresholdMode", thresholdMode);
            Check.atLeast("cooldown", cooldown, 0);
            minLr = Check.atLeastZero("minLr", minLr);
            eps = Check.atLeastZero("eps", eps);
        }

        /** The same for another kind of metric. */
        public Settings withMode(Mode mode) {
            return new Settings(mode, factor, patience, threshold, thresholdMode, cooldown, minLr, eps);
        }

        /** The same with another factor. */
        public Settings withFactor(double factor) {
            return new Settings(mode, factor, patience, threshold, thresholdMode, cooldown, minLr, eps);
        }

        /** The same with another patience. */
        public Settings withPatience(long patience) {
            return new Settings(mode, factor, patience, threshold, thresholdMode, cooldown, minLr, eps);
        }

        /** The same with another threshold, and what it is measured by. */
        public Settings withThreshold(double threshold, ThresholdMode thresholdMode) {
            return new Settings(mode, factor, patience, threshold, thresholdMode, cooldown, minLr, eps);
        }

        /** The same with another cooldown. */
        public Settings withCooldown(long cooldown) {
            return new Settings(mode, factor, patience, threshold, thresholdMode, cooldown, minLr, eps);
        }

        /** The same with another lowest rate. */
        public Settings withMinLr(double minLr) {
            return new Settings(mode, factor, patience, threshold, thresholdMode, cooldown, minLr, eps);
        }
    }

    private static final Settings STANDARD = new Settings(Mode.MIN, 0.1, 10, 1e-4, ThresholdMode.REL, 0, 0, 1e-8);

    private static final Pattern STATE =
            Pattern.compile("mode (min|max), best (-?(?:[0-9]+[.][0-9]+(?:E-?[0-9]+)?|Infinity)),"
                    + " bad ([0-9]{1,9}), cooldown ([0-9]{1,9}), reductions ([0-9]{1,9})");

    private final Settings settings;
    private double best;
    private long bad;
    private long cooldown;
    private long reductions;

    /** At its beginning: it has seen nothing. */
    public Plateau(Settings settings) {
        this.settings = Check.notNull("settings", settings);
        restore("");
    }

    /** PyTorch's defaults, to be changed one by one. */
    public static Settings settings() {
        return STANDARD;
    }

    @Override
    public double rate(long step, double lr) {
        double rate = lr;
        for (long i = 0; i < reductions; i++) {
            double next = Math.max(rate * settings.factor, settings.minLr);
            if (!(rate - next > settings.eps)) {
                return rate; // nor would it be lowered by those that follow
            }
            rate = next;
        }
        return rate;
    }

    /** Takes a metric; the rate of the next step is lowered if patience is at its end. A NaN is no better than anything. */
    @Override
    public void observe(double metric) {
        if (isBetter(metric)) {
            best = metric;
            bad = 0;
        } else {
            bad++;
        }
        if (cooldown > 0) {
            cooldown--;
            bad = 0;
        }
        if (bad > settings.patience) {
            reductions++;
            cooldown = settings.cooldown;
            bad = 0;
        }
    }

    private boolean isBetter(double metric) {
        boolean relative = settings.thresholdMode == ThresholdMode.REL;
        return settings.mode == Mode.MIN
                ? metric < (relative ? best * (1 - settings.threshold) : best - settings.threshold)
                : metric > (relative ? best * (1 + settings.threshold) : best + settings.threshold);
    }

    /** The best metric it was told; infinite before the first. */
    public double best() {
        return best;
    }

    /** How often patience came to its end. */
    public long reductions() {
        return reductions;
    }

    @Override
    public String state() {
        return "mode " + word(settings.mode) + ", best " + best + ", bad " + bad + ", cooldown " + cooldown
                + ", reductions " + reductions;
    }

    @Override
    public void restore(String state) {
        if (state.isEmpty()) {
            best = settings.mode == Mode.MIN ? Double.POSITIVE_INFINITY : Double.NEGATIVE_INFINITY;
            bad = 0;
            cooldown = 0;
            reductions = 0;
            return;
        }
        Matcher saved = STATE.matcher(state);
        if (!saved.matches()) {
            throw new IllegalArgumentException("'" + state + "' is no state of a plateau");
        }
        if (!saved.group(1).equals(word(settings.mode))) {
            throw new IllegalArgumentException("the state '" + state + "' is of a plateau with mode " + saved.group(1)
                    + ", and this one has mode " + word(settings.mode) + ": its best metric would mean nothing");
        }
        best = Double.parseDouble(saved.group(2));
        bad = Long.parseLong(saved.group(3));
        cooldown = Long.parseLong(saved.group(4));
        reductions = Long.parseLong(saved.group(5));
    }

    /** As {@link Schedule#parse} reads it: the settings that are not the default. */
    @Override
    public String toString() {
        StringJoiner arguments = new StringJoiner(", ", "plateau(", ")").setEmptyValue("plateau");
        if (settings.mode != STANDARD.mode) {
            arguments.add("mode=" + word(settings.mode));
        }
        Schedules.add(arguments, "factor", settings.factor, STANDARD.factor);
        Schedules.add(arguments, "patience", settings.patience, STANDARD.patience);
        Schedules.add(arguments, "threshold", settings.threshold, STANDARD.threshold);
        if (settings.thresholdMode != STANDARD.thresholdMode) {
            arguments.add("threshold_mode=" + word(settings.thresholdMode));
        }
        Schedules.add(arguments, "cooldown", settings.cooldown, STANDARD.cooldown);
        Schedules.add(arguments, "min_lr", settings.minLr, STANDARD.minLr);
        Schedules.add(arguments, "eps", settings.eps, STANDARD.eps);
        return arguments.toString();
    }

    private static String word(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT);
    }
}
