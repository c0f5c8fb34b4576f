package dev.gatun;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/**
 * The part of JSON that a safetensors header consists of: objects, arrays, strings and whole numbers from 0, and
 * nothing that RFC 8259 does not allow. It hands out one token after another and builds nothing, so that a hostile file
 * cannot make it large.
 */
final class JsonReader {
    private final String text;
    private int position;

    /**
     * A reader of UTF-8 bytes.
     *
     * @throws CheckpointException if they are not UTF-8
     */
    JsonReader(byte[] utf8) throws CheckpointException {
        try {
            text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(utf8))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new CheckpointException("the header is not UTF-8", e);
        }
    }

    /** Takes a sign, after white space. */
    void expect(char sign) throws CheckpointException {
        if (!take(sign)) {
            throw error("'" + sign + "' is expected");
        }
    }

    /** Takes a sign if it comes next, after white space. */
    boolean take(char sign) {
        skipSpace();
        if (position < text.length() && text.charAt(position) == sign) {
            position++;
            return true;
        }
        return false;
    }

    /** After an element: takes the comma, or the closing sign and answers false. */
    boolean more(char closing) throws CheckpointException {
        if (take(',')) {
            return true;
        }
        expect(closing);
        return false;
    }

    void expectEnd() throws CheckpointException {
        skipSpace();
        if (position < text.length()) {
            throw error("nothing more is expected");
        }
    }

    /** A whole number from 0 to {@link Long#MAX_VALUE}. */
    long number() throws CheckpointException {
        skipSpace();
        int start = position;
        long number = 0;
        while (position < text.length() && text.charAt(position) >= '0' && text.charAt(position) <= '9') {
            int digit = text.charAt(position) - '0';
            if (number > (Long.MAX_VALUE - digit) / 10) {
                throw error("the number is too large");
            }
            number = number * 10 + digit;
            position++;
        }
        if (position == start || (text.charAt(start) == '0' && position > start + 1)) {
            throw error("a whole number is expected");
        }
        return number;
    }

    String string() throws CheckpointException {
        expect('"');
        StringBuilder string = new StringBuilder();
        while (true) {
            char c = next();
            if (c == '"') {
                return checkSurrogates(string.toString());
            }
            if (c < 0x20) {
                throw error("a control character stands in a string");
            }
            string.append(c == '\\' ? escaped() : c);
        }
    }

    private char escaped() throws CheckpointException {
        char c = next();
        return switch (c) {
            case '"', '\\', '/' -> c;
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'u' -> {
                int code = 0;
                for (int i = 0; i < 4; i++) {
                    char digit = next();
                    int value = digit < 0x80 ? Character.digit(digit, 16) : -1;
                    if (value < 0) {
                        throw error("\\u needs four hexadecimal digits");
                    }
                    code = code * 16 + value;
                }
                yield (char) code;
            }
            default -> throw error("\\" + c + " is not an escape");
        };
    }

    private String checkSurrogates(String string) throws CheckpointException {
        if (string.codePoints().anyMatch(code -> code >= 0xD800 && code <= 0xDFFF)) {
            throw error("half a surrogate pair stands in a string");
        }
        return string;
    }

    private char next() throws CheckpointException {
        if (position == text.length()) {
            throw error("the string does not end");
        }
        return text.charAt(position++);
    }

    private void skipSpace() {
        while (position < text.length() && " \t\n\r".indexOf(text.charAt(position)) >= 0) {
            position++;
        }
    }

    CheckpointException error(String reason) {
        return new CheckpointException("the header is not what safetensors allows: " + reason + " at character "
                + position + " of " + text.length());
    }
}
