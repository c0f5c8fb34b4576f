package dev.gatun.cli;

import dev.gatun.GatunException;
import dev.gatun.SpecificationException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.ExecutionException;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.IExecutionStrategy;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.RunLast;
import picocli.CommandLine.UnmatchedArgumentException;

/** Turns what went wrong into one line on stderr and an exit code. */
final class Failures implements IExecutionStrategy, IParameterExceptionHandler, IExecutionExceptionHandler {
    static final int DIFFERENT = 1;
    static final int BAD_INPUT = 2;
    static final int DEVICE = 3;

    /** Runs the command; picocli handles exceptions but not errors, and a library that does not load is one. */
    @Override
    public int execute(ParseResult parsed) {
        try {
            return new RunLast().execute(parsed);
        } catch (LinkageError | OutOfMemoryError error) {
            throw new ExecutionException(parsed.commandSpec().commandLine(), error.toString(), error);
        }
    }

    @Override
    public int handleParseException(ParameterException exception, String[] arguments) {
        CommandLine command = exception.getCommandLine();
        String name = command.getCommandSpec().qualifiedName();
        List<String> near =
                exception instanceof UnmatchedArgumentException unknown ? unknown.getSuggestions() : List.of();
        String meant = near.isEmpty() ? "" : "; did you mean " + near.getFirst() + "?";
        say(command, exception.getMessage() + meant + "; see `" + name + " --help`");
        return BAD_INPUT;
    }

    @Override
    public int handleExecutionException(Exception exception, CommandLine command, ParseResult parsed) {
        Throwable fault = exception instanceof ExecutionException && exception.getCause() != null
                ? exception.getCause()
                : exception;
        switch (fault) {
            case BadInput bad -> say(command, bad.getMessage());
            case SpecificationException bad -> say(command, describe(bad));
            case IllegalArgumentException bad -> say(command, bad.getMessage());
            case IOException file -> say(command, describe(file));
            case UncheckedIOException file -> say(command, describe(file.getCause()));
            case GatunException device -> {
                say(command, device.getMessage());
                return DEVICE;
            }
            case LinkageError library -> {
                say(command, root(library).getMessage());
                return DEVICE;
            }
            case OutOfMemoryError memory -> {
                say(command, "out of memory: " + memory.getMessage());
                return DEVICE;
            }
            default -> {
                // Not foreseen, so whoever reads it needs to see where it happened.
                fault.printStackTrace(command.getErr());
                command.getErr().flush();
                return DEVICE;
            }
        }
        return BAD_INPUT;
    }

    /** The file name alone is all that Java's own file exceptions say; a user needs the reason, too. */
    static String describe(IOException exception) {
        return switch (exception) {
            case NoSuchFileException missing -> missing.getFile() + ": no such file; check the path";
            case AccessDeniedException denied -> denied.getFile() + ": access denied; check the permissions";
            case FileSystemException file when file.getReason() != null -> file.getFile() + ": " + file.getReason();
            default -> exception.getMessage() == null ? exception.toString() : exception.getMessage();
        };
    }

    /** What is wrong and in which column; the lines behind that point at it, which takes more than one line. */
    static String describe(SpecificationException exception) {
        return exception.getMessage().lines().findFirst().orElse("");
    }

    private static Throwable root(Throwable fault) {
        return fault.getCause() == null || fault.getCause() == fault ? fault : root(fault.getCause());
    }

    private static void say(CommandLine command, String message) {
        String line = String.valueOf(message)
                .strip()
                .replaceAll(":\\s*\\R\\s*(?:- )?", ": ")
                .replaceAll("\\s*\\R\\s*(?:- )?", "; ");
        command.getErr().println(command.getCommandSpec().qualifiedName() + ": " + line);
        command.getErr().flush();
    }
}
