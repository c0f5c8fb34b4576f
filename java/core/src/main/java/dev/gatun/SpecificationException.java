package dev.gatun;

import java.io.Serial;

/**
 * A specification string that cannot be read. The message says what is wrong, offers the nearest valid name, and shows
 * the string with a caret below the place.
 */
public class SpecificationException extends IllegalArgumentException {
    @Serial
    private static final long serialVersionUID = 1;

    private final String specification;
    private final int position;

    SpecificationException(String reason, String specification, int position) {
        super(reason + " (column " + (position + 1) + ")\n  " + oneLine(specification) + "\n  " + " ".repeat(position)
                + "^");
        this.specification = specification;
        this.position = position;
    }

    /** The string that was read. */
    public String specification() {
        return specification;
    }

    /** Where in it the fault is, counted from 0. */
    public int position() {
        return position;
    }

    /** Keeps the caret below its place: a line break or a tab would move it. */
    private static String oneLine(String text) {
        return text.replaceAll("\\s", " ");
    }
}
