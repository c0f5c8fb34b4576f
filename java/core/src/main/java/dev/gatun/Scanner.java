package dev.gatun;

import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A place in a specification string: takes words and signs, skips white space, and says where something is wrong. */
final class Scanner {
    private static final Pattern WORD = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");
    private static final Pattern VALUE = Pattern.compile("[A-Za-z0-9_.+-]+");
    private static final Pattern INNER = Pattern.compile("([A-Za-z_][A-Za-z0-9_]*)\\s*([(,)])");
    private static final Pattern KEY = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*\\s*=");
    private static final Pattern NUMBER = Pattern.compile("[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?");

    private final String text;
    private int position;

    Scanner(String text) {
        this.text = text;
        skipSpace();
    }

    int position() {
        return position;
    }

    boolean atEnd() {
        return position == text.length();
    }

    /** Takes the sign if it comes next. */
    boolean take(char sign) {
        if (atEnd() || text.charAt(position) != sign) {
            return false;
        }
        position++;
        skipSpace();
        return true;
    }

    void require(char sign, String otherwise) {
        if (!take(sign)) {
            throw error(otherwise, position);
        }
    }

    void requireEnd() {
        if (!atEnd()) {
            throw error("nothing is expected after the end of an optimizer", position);
        }
    }

    String word(String expected) {
        return match(WORD, expected + " is expected");
    }

    String value(String key) {
        return match(VALUE, "'" + key + "' has no value: write " + key + "=...");
    }

    /** A value that has no key. */
    String argument(String expected) {
        return match(VALUE, expected + " is expected");
    }

    /** Whether a key and its equals sign come next. */
    boolean atKey() {
        return KEY.matcher(text).region(position, text.length()).lookingAt();
    }

    /** Whether a name and its parenthesis come next, or one of these names as a whole argument. */
    boolean atInnerRule(List<String> names) {
        Matcher inner = INNER.matcher(text).region(position, text.length());
        return inner.lookingAt() && (inner.group(2).equals("(") || names.contains(inner.group(1)));
    }

    /** Whether nothing belongs to the name before: the end, the end of an argument, or that of all arguments. */
    boolean atNameEnd() {
        return atEnd() || text.charAt(position) == ',' || text.charAt(position) == ')';
    }

    double number(String name, String value, int at) {
        if (!NUMBER.matcher(value).matches()) {
            throw error(name + " must be a number, and is '" + value + "'", at);
        }
        return Double.parseDouble(value);
    }

    long whole(String name, String value, int at, long most) {
        if (!value.matches("[+-]?[0-9]+")) {
            throw error(name + " must be a whole number, and is '" + value + "'", at);
        }
        try {
            long number = Long.parseLong(value);
            if (number >= -most && number <= most) {
                return number;
            }
        } catch (NumberFormatException e) {
            // More digits than a long has: too large as well.
        }
        throw error(name + " must be at most " + most + ", and is " + value, at);
    }

    SpecificationException error(String reason, int at) {
        return new SpecificationException(reason, text, at);
    }

    private String match(Pattern pattern, String otherwise) {
        Matcher matcher = pattern.matcher(text).region(position, text.length());
        if (!matcher.lookingAt()) {
            throw error(otherwise, position);
        }
        position = matcher.end();
        skipSpace();
        return matcher.group();
    }

    private void skipSpace() {
        while (position < text.length() && Character.isWhitespace(text.charAt(position))) {
            position++;
        }
    }
}
