package dev.gatun.cli;

import dev.gatun.Schedule;
import java.io.IOException;
import java.io.PrintWriter;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code gatun schedule}: shows what a schedule's string means before a training is spent on it. */
@Command(
        name = "schedule",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        sortOptions = false,
        description = {
            "Shows the learning rates of a schedule: its key points, and a sketch of its curve.",
            "Phases: constant, constant(N), warmup(N), cosine(TOTAL), polynomial(TOTAL, POWER), onecycle(TOTAL),"
                    + " step(EVERY, FACTOR), exponential(FACTOR), multistep(AT, ..., FACTOR), plateau(factor=0.1, patience=10);"
                    + " joined by +. N and EVERY count steps; TOTAL and AT count from the beginning of the training; all may be"
                    + " shares such as 5%%. docs/schedules.md has the formulas.",
            "Example: gatun schedule \"warmup(5%%)+constant(60%%)+cosine\" --steps 1000 --png schedule.png"
        })
final class ScheduleCommand implements Callable<Integer> {
    /** Every step is looked at; so many take a second. */
    private static final int MOST_STEPS = 100_000_000;

    @Spec
    private CommandSpec spec;

    @Parameters(paramLabel = "SPEC", description = "The schedule, such as \"warmup(100)+cosine\".")
    private String specification;

    @Option(
            names = "--steps",
            paramLabel = "N",
            defaultValue = "1000",
            description = "Steps of the training. Default: ${DEFAULT-VALUE}.")
    private int steps;

    @Option(
            names = "--lr",
            paramLabel = "X",
            defaultValue = "1",
            description = "The rule's learning rate. Default: 1, for rates as factors of it.")
    private double lr;

    @Option(names = "--png", paramLabel = "FILE", description = "Draws the curve.")
    private Path png;

    @Option(names = "--csv", description = "Prints step,lr for every step in place of the table and the sketch.")
    private boolean csv;

    @Override
    public Integer call() throws IOException {
        if (steps < 1 || steps > MOST_STEPS) {
            throw new BadInput("--steps " + steps + ": pass a number from 1 to " + MOST_STEPS);
        }
        if (!(lr >= 0 && lr <= Double.MAX_VALUE)) {
            throw new BadInput("--lr " + lr + ": pass a number >= 0");
        }
        Output.check("--png", png);
        Schedule schedule = Schedule.parse(specification, steps);
        double[] rates = rates(schedule);
        PrintWriter out = spec.commandLine().getOut();
        if (csv) {
            out.println("step,lr");
            for (int step = 1; step <= steps; step++) {
                out.println(step + "," + rates[step - 1]);
            }
        } else {
            print(schedule, rates, out);
        }
        if (!schedule.state().isEmpty()) {
            // Beside the numbers, not among them.
            PrintWriter err = csv ? spec.commandLine().getErr() : out;
            err.println(
                    "plateau waits for a metric, and there is none here: its rate is shown as long as that gets better");
            err.flush();
        }
        if (png != null) {
            ScheduleChart.write(schedule.toString(), rates, lr, png);
        }
        out.flush();
        return 0;
    }

    private double[] rates(Schedule schedule) {
        double[] rates = new double[steps];
        for (int step = 1; step <= steps; step++) {
            double rate = schedule.rate(step, lr);
            if (!(rate >= 0 && rate <= Double.MAX_VALUE)) {
                throw new BadInput("the learning rate at step " + step + " is " + rate
                        + "; it must be 0 or more and finite: change the factors, or lower --lr");
            }
            rates[step - 1] = rate;
        }
        return rates;
    }

    private void print(Schedule schedule, double[] rates, PrintWriter out) {
        out.printf(Locale.ROOT, "%s, %,d steps, learning rate %s%n%n", schedule, steps, number(lr));
        out.printf(Locale.ROOT, "%11s  %13s%n", "step", lr == 1 ? "times lr" : "learning rate");
        keyPoints(schedule, rates)
                .forEach((step, notes) ->
                        out.printf("%,11d  %13s  %s%n", step, number(rates[step - 1]), String.join(", ", notes)));
        out.println();
        out.print(ScheduleSketch.of(rates));
    }

    /** Where phases begin and end, the quarters of the way, and the extremes. */
    private Map<Integer, List<String>> keyPoints(Schedule schedule, double[] rates) {
        Map<Integer, List<String>> points = new TreeMap<>();
        note(points, 1, "first");
        String[] names = schedule.toString().split("\\+"); // no number that is printed has a plus
        long before = 0;
        for (int i = 0; i < names.length; i++) {
            long length = schedule.phases().get(i).length();
            if (i > 0) {
                note(points, before + 1, names[i] + " begins");
            }
            if (length > steps - before) {
                break;
            }
            before += length;
            note(points, before, names[i] + " ends");
        }
        for (int quarter = 1; quarter <= 3; quarter++) {
            note(points, (long) steps * quarter / 4, 25 * quarter + " %");
        }
        note(points, steps, "last");
        int highest = 0;
        int lowest = 0;
        for (int i = 1; i < rates.length; i++) {
            highest = rates[i] > rates[highest] ? i : highest;
            lowest = rates[i] < rates[lowest] ? i : lowest;
        }
        if (highest != lowest) {
            note(points, highest + 1, "highest");
            note(points, lowest + 1, "lowest");
        }
        return points;
    }

    private void note(Map<Integer, List<String>> points, long step, String text) {
        if (step >= 1 && step <= steps) {
            points.computeIfAbsent((int) step, at -> new ArrayList<>()).add(text);
        }
    }

    /** Six digits, as short as they go. */
    static String number(double value) {
        BigDecimal rounded = new BigDecimal(value).round(new MathContext(6)).stripTrailingZeros();
        return value == 0 ? "0" : value >= 1e-6 && value < 1e9 ? rounded.toPlainString() : rounded.toString();
    }
}
