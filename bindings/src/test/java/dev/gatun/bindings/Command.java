package dev.gatun.bindings;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Runs a program to its end. */
record Command(ProcessBuilder builder) {
    /** Exit code, and what was written to both outputs. */
    record Result(int code, String output) {}

    static Result run(String... words) throws IOException, InterruptedException {
        return new Command(new ProcessBuilder(List.of(words))).run();
    }

    Result run() throws IOException, InterruptedException {
        Process process = builder.redirectErrorStream(true).start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Result(process.waitFor(), output);
    }
}
