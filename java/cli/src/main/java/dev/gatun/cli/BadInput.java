package dev.gatun.cli;

/** Something the user gave is wrong. The message is one line: what is wrong, where, and what to do. Exit code 2. */
public final class BadInput extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public BadInput(String message) {
        super(message);
    }

    public BadInput(String message, Throwable cause) {
        super(message, cause);
    }
}
