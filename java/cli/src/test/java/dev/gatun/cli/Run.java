package dev.gatun.cli;

import com.google.gson.JsonElement;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import picocli.CommandLine;

/** A command that was run in this process, and what it said. */
record Run(int code, String out, String err) {
    /** Where the golden traces of the library's own tests lie. */
    static final Path TRACES = Path.of(System.getProperty("gatun.root"), "java/core/src/test/resources/traces");

    static Run of(Object... arguments) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        String[] words = new String[arguments.length];
        for (int i = 0; i < words.length; i++) {
            words[i] = arguments[i].toString();
        }
        CommandLine command = Main.commandLine();
        command.setOut(new PrintWriter(out));
        command.setErr(new PrintWriter(err));
        return new Run(command.execute(words), out.toString(), err.toString());
    }

    JsonElement json() {
        return JsonParser.parseString(out);
    }

    static JsonElement json(Path file) throws IOException {
        return JsonParser.parseString(Files.readString(file));
    }
}
