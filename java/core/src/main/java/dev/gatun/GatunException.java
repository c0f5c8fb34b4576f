package dev.gatun;

import java.io.Serial;

/** A device or the native library failed. Faults of arguments are {@link IllegalArgumentException}s. */
public class GatunException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1;

    GatunException(String message) {
        super(message);
    }

    GatunException(String message, Throwable cause) {
        super(message, cause);
    }
}
