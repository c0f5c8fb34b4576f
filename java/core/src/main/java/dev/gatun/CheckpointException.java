package dev.gatun;

import java.io.IOException;
import java.io.Serial;

/** A file is not what it should be: damaged, cut short, of another optimizer, or newer than this version of Gatun. */
public class CheckpointException extends IOException {
    @Serial
    private static final long serialVersionUID = 1;

    /** Names and metadata of a file are quoted in messages, and a file may have megabytes of them. */
    private static final int LONGEST = 2000;

    CheckpointException(String message) {
        super(readable(message));
    }

    CheckpointException(String message, Throwable cause) {
        super(readable(message), cause);
    }

    /** Messages end in logs and on terminals, where a file's control characters could write lines of their own. */
    private static String readable(String message) {
        String text = message.length() <= LONGEST
                ? message
                : message.substring(0, LONGEST) + "... (" + (message.length() - LONGEST) + " more characters)";
        return text.replaceAll("\\p{Cntrl}", "?");
    }
}
