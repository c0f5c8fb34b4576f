package dev.gatun.cli;

import dev.gatun.cli.train.RateSearch;
import dev.gatun.cli.train.TrainCommand;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The {@code gatun} command. What it does is in its subcommands; what they share is the meaning of the exit codes. */
@Command(
        name = "gatun",
        versionProvider = Version.class,
        mixinStandardHelpOptions = true,
        description = "Optimizer steps for neural-network training on the JVM.",
        footerHeading = "%nExit codes:%n",
        footer = {
            "  0  done",
            "  1  the comparison failed",
            "  2  wrong use or bad input; one line on stderr says what, where and what to do",
            "  3  device or native failure",
            ""
        },
        subcommands = {
            Info.class,
            TrainCommand.class,
            RateSearch.class,
            CompareCommand.class,
            ScheduleCommand.class,
            Replay.class,
            Bench.class,
            CheckpointCommand.class,
            HelpCommand.class
        })
public final class Main implements Runnable {
    @Spec
    private CommandSpec spec;

    private Main() {}

    /** The whole command line, ready to execute; tests use it with their own writers. */
    public static CommandLine commandLine() {
        Failures failures = new Failures();
        return new CommandLine(new Main())
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setUsageHelpWidth(100)
                .setExecutionStrategy(failures)
                .setParameterExceptionHandler(failures)
                .setExecutionExceptionHandler(failures);
    }

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(),
                "a command is missing: info, train, compare, schedule, replay, bench or checkpoint");
    }

    public static void main(String[] arguments) {
        System.exit(commandLine().execute(arguments));
    }
}
