package dev.gatun;

import java.util.Comparator;
import java.util.List;

/** The valid word that is nearest to a mistyped one: by Levenshtein's distance, insertions, deletions, replacements. */
final class Nearest {
    private Nearest() {}

    /** {@code : did you mean 'beta1'?}, or a full stop where no word is near. */
    static String hint(String word, List<String> valid) {
        return valid.stream()
                .min(Comparator.comparingInt(candidate -> distance(word, candidate)))
                .filter(candidate -> distance(word, candidate) <= Math.max(1, candidate.length() / 2))
                .map(candidate -> ": did you mean '" + candidate + "'?")
                .orElse(".");
    }

    static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }
}
