package dev.gatun.cli;

import java.io.PrintWriter;

/** Says on stderr how far a long command is: one line rewritten on a terminal, else a plain line every few seconds. */
final class Progress implements AutoCloseable {
    private static final long REWRITE_NANOS = 100_000_000L;
    private static final long LINE_NANOS = 5_000_000_000L;

    private final PrintWriter err;
    private final boolean terminal;
    private long last = System.nanoTime();
    private int width;

    Progress(PrintWriter err) {
        this(err, System.console() != null && System.console().isTerminal());
    }

    Progress(PrintWriter err, boolean terminal) {
        this.err = err;
        this.terminal = terminal;
    }

    /** A new stage, always said. */
    void stage(String text) {
        say(text);
    }

    /** A small advance, said when the last words are old enough. */
    void update(String text) {
        if (System.nanoTime() - last >= (terminal ? REWRITE_NANOS : LINE_NANOS)) {
            say(text);
        }
    }

    private void say(String text) {
        last = System.nanoTime();
        if (terminal) {
            err.print("\r" + text + " ".repeat(Math.max(0, width - text.length())));
            width = text.length();
        } else {
            err.println(text);
        }
        err.flush();
    }

    @Override
    public void close() {
        clear();
    }

    /** Leaves the terminal's line empty for what is printed next. */
    void clear() {
        if (terminal && width > 0) {
            err.print("\r" + " ".repeat(width) + "\r");
            err.flush();
            width = 0;
        }
    }
}
