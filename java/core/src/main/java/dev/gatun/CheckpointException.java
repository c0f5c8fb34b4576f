package dev.gatun;

import java.io.IOException;
import java.io.Serial;

/** A file is not what it should be: damaged, cut short, of another optimizer, or newer than this version of Gatun. */
public class CheckpointException extends IOException {
    @Serial
    private static final long serialVersionUID = 1;

    CheckpointException(String message) {
        super(message);
    }

    CheckpointException(String message, Throwable cause) {
        super(message, cause);
    }
}
