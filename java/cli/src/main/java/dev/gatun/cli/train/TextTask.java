package dev.gatun.cli.train;

import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.core.Linear;
import dev.gatun.djl.FedBlock;
import java.util.List;

/** Guessing the next character of a text from those before it. */
record TextTask(Corpus corpus, CharShape shape, NGrams lines) implements Task {
    TextTask(Corpus corpus, CharShape shape) {
        this(corpus, shape, NGrams.of(corpus.training(), corpus.validation(), corpus.vocabulary()));
    }

    @Override
    public Block network() {
        FedBlock network = new FedBlock();
        network.add(new CharEmbedding(corpus.vocabulary(), shape.embedding()));
        for (int layer = 0; layer < shape.layers(); layer++) {
            network.add(Linear.builder().setUnits(shape.width()).build()).add(Activation.reluBlock());
        }
        return network.add(Linear.builder().setUnits(corpus.vocabulary()).build());
    }

    @Override
    public Shape input(int batch) {
        return new Shape(batch, shape.context());
    }

    @Override
    public Batches batches(int size) {
        return new TextBatches(corpus, size, shape.context());
    }

    @Override
    public String example() {
        return "character";
    }

    @Override
    public List<Baseline> baselines() {
        return List.of(
                new Baseline("trigram counts", new Score(lines.trigram(), Double.NaN)),
                new Baseline("bigram counts", new Score(lines.bigram(), Double.NaN)),
                new Baseline("unigram counts", new Score(lines.unigram(), Double.NaN)));
    }

    @Override
    public String summary() {
        return "text: %s: %,d texts, %,d characters to train on, vocabulary %d"
                .formatted(corpus.origin(), corpus.documents(), corpus.training().length, corpus.vocabulary());
    }

    @Override
    public List<Fact> facts() {
        return List.of(
                new Fact("text", "%s: %,d texts".formatted(corpus.origin(), corpus.documents())),
                new Fact(
                        "characters",
                        "%,d training, %,d validation, %,d test; vocabulary %d"
                                .formatted(
                                        corpus.training().length,
                                        corpus.validation().length,
                                        corpus.test().length,
                                        corpus.vocabulary())),
                new Fact("measured at", "%,d fixed places of each part".formatted(TextBatches.PLACES)));
    }

    @Override
    public String fingerprint() {
        return corpus.fingerprint();
    }
}
