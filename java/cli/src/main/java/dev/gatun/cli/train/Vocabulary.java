package dev.gatun.cli.train;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;

/**
 * The characters a model knows, each with a number from 1. Number 0 starts every document and stands for all other
 * characters.
 *
 * <p>Line feed, tab and printable ASCII are known where they occur, others where they are frequent enough to be
 * learned; at most 255 in all, so that a text is one byte per character.
 */
final class Vocabulary {
    static final byte UNKNOWN = 0;

    private static final int MOST = 256;
    private static final int RARE = 20;
    /** Beyond ASCII a character must be at least this share of the text: 1 in 100,000. */
    private static final long SHARE = 100_000;

    private final byte[] numbers = new byte[Character.MAX_VALUE + 1];
    private final int size;

    private Vocabulary(List<Character> characters) {
        for (int i = 0; i < characters.size(); i++) {
            numbers[characters.get(i)] = (byte) (i + 1);
        }
        size = characters.size() + 1;
    }

    static Vocabulary of(List<String> texts) {
        long[] counts = new long[Character.MAX_VALUE + 1];
        long total = 0;
        for (String text : texts) {
            total += text.length();
            for (int i = 0; i < text.length(); i++) {
                counts[text.charAt(i)]++;
            }
        }
        long enough = Math.max(RARE, total / SHARE);
        List<Character> known = new ArrayList<>();
        for (int c = 0; c < counts.length; c++) {
            if (counts[c] > 0 && (plain((char) c) || counts[c] >= enough)) {
                known.add((char) c);
            }
        }
        known.sort(Comparator.comparing((Character c) -> !plain(c)).thenComparing(c -> -counts[c]));
        List<Character> kept = new ArrayList<>(known.subList(0, Math.min(known.size(), MOST - 1)));
        Collections.sort(kept);
        return new Vocabulary(kept);
    }

    /** How many numbers there are, 0 included. */
    int size() {
        return size;
    }

    /** The number of a character, 0 to 255, as a byte. */
    byte number(char character) {
        return numbers[character];
    }

    /** The texts one after the other, each behind a 0. */
    byte[] encode(List<String> texts) {
        long length = texts.stream().mapToLong(text -> text.length() + 1L).sum();
        byte[] encoded = new byte[Math.toIntExact(length)];
        int at = 0;
        for (String text : texts) {
            encoded[at++] = UNKNOWN;
            for (int i = 0; i < text.length(); i++) {
                encoded[at++] = numbers[text.charAt(i)];
            }
        }
        return encoded;
    }

    private static boolean plain(char c) {
        return c == '\n' || c == '\t' || (c >= ' ' && c <= '~');
    }
}
