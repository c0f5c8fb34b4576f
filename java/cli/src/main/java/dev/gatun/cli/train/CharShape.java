package dev.gatun.cli.train;

import java.io.IOException;
import java.nio.file.Path;

/**
 * Sizes of the character model: an embedding for each of the characters before, side by side, then dense layers with
 * ReLU, then one score per character (Bengio et al. 2003, "A neural probabilistic language model").
 *
 * @param context characters the model sees
 * @param embedding numbers per character
 * @param width units of a hidden layer
 * @param layers hidden layers
 * @param batch places in the text per step, where the user does not say
 */
record CharShape(String name, int context, int embedding, int width, int layers, int batch) implements ModelShape {
    /** 971,666 parameters over the 98 characters of the JDK's sources. */
    static final CharShape DEFAULT = new CharShape("default", 32, 24, 512, 3, 512);

    /** 4.3 million parameters and a small batch: here a slow optimizer is a third of the step. */
    static final CharShape LARGE = new CharShape("large", 32, 24, 1264, 3, 128);

    static CharShape parse(String text) {
        return switch (text) {
            case "default" -> DEFAULT;
            case "large" -> LARGE;
            default -> {
                int[] n = ModelShape.numbers(text);
                if (n.length != 4 || n[0] > 1024 || n[1] > 4096 || n[2] > 65536 || n[3] > 64) {
                    throw ModelShape.refused(
                            text,
                            "default, large, or CONTEXT,EMBEDDING,WIDTH,LAYERS such as 32,24,512,3 (at most"
                                    + " 1024,4096,65536,64)");
                }
                yield new CharShape(text, n[0], n[1], n[2], n[3], DEFAULT.batch);
            }
        };
    }

    @Override
    public Kind task() {
        return Kind.TEXT;
    }

    @Override
    public Task load(Path data) throws IOException {
        Documents documents = data == null ? Documents.ofJdk() : Documents.of(data);
        return new TextTask(Corpus.of(documents, context), this);
    }

    @Override
    public int steps() {
        return 1500;
    }

    @Override
    public int quickSteps() {
        return 300;
    }

    @Override
    public int threads(int asked) {
        return asked;
    }

    @Override
    public String toString() {
        return "context %d, embedding %d, %d layers of %d".formatted(context, embedding, layers, width);
    }
}
