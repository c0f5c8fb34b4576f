package dev.gatun.cli.train;

import dev.gatun.cli.BadInput;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.zip.CRC32C;

/**
 * A text cut by documents into 90 % to train on, 5 % to validate on and 5 % that nothing is chosen by. No document is
 * in two parts: a model that memorises files gains nothing.
 *
 * @param origin where the text comes from, for people
 * @param training numbers of characters, a byte each (0 to 255); the vocabulary knows only what occurs in this part
 * @param vocabulary size of the vocabulary
 */
record Corpus(String origin, int documents, byte[] training, byte[] validation, byte[] test, int vocabulary) {
    /** Below this a validation loss is noise. */
    private static final int FEWEST = 10_000;

    private static final int FEWEST_DOCUMENTS = 20;

    /**
     * The split is a function of the documents alone, not of a run's seed: runs with different seeds stay comparable.
     */
    private static final long SPLIT_SEED = 1;

    static Corpus of(Documents documents, int context) {
        List<String> texts = new ArrayList<>(documents.texts());
        long characters = texts.stream().mapToLong(String::length).sum();
        if (characters < FEWEST) {
            throw new BadInput("--data " + documents.origin() + ": too little text, " + characters
                    + " characters; at least " + FEWEST + " are needed");
        }
        if (texts.size() < FEWEST_DOCUMENTS) {
            // Few long files: cut each, else 5 % of them would be none at all.
            texts = cut(texts, characters);
        }
        Collections.shuffle(texts, new Random(SPLIT_SEED));
        int count = texts.size();
        int first = (int) Math.ceil(count * 0.9);
        int second = (int) Math.ceil(count * 0.95);
        List<String> learned = texts.subList(0, Math.min(first, count - 2));
        List<String> validated =
                texts.subList(learned.size(), Math.min(Math.max(second, learned.size() + 1), count - 1));
        List<String> tested = texts.subList(learned.size() + validated.size(), count);
        Vocabulary vocabulary = Vocabulary.of(learned);
        Corpus corpus = new Corpus(
                documents.origin(),
                documents.texts().size(),
                vocabulary.encode(learned),
                vocabulary.encode(validated),
                vocabulary.encode(tested),
                vocabulary.size());
        corpus.require("training", corpus.training, context);
        corpus.require("validation", corpus.validation, context);
        corpus.require("test", corpus.test, context);
        return corpus;
    }

    private void require(String part, byte[] text, int context) {
        if (text.length < context + 2) {
            throw new BadInput("--data " + origin + ": too little text for " + part + ", " + text.length
                    + " characters; a context of " + context + " needs " + (context + 2));
        }
    }

    private static List<String> cut(List<String> texts, long characters) {
        long length = Math.max(1, characters / 200);
        List<String> pieces = new ArrayList<>();
        for (String text : texts) {
            for (int from = 0; from < text.length(); from += (int) length) {
                pieces.add(text.substring(from, (int) Math.min(text.length(), from + length)));
            }
        }
        return pieces;
    }

    /** Changes with every character: a resumed run must find the text it began with. */
    String fingerprint() {
        CRC32C sum = new CRC32C();
        sum.update(training);
        sum.update(validation);
        sum.update(test);
        return "%08x-%d-%d-%d".formatted(sum.getValue(), training.length, validation.length, test.length);
    }
}
