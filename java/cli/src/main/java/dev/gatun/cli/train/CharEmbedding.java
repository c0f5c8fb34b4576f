package dev.gatun.cli.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Parameter;
import ai.djl.nn.core.Embedding;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;

/** A table of vectors by character number, dense gradients: (batch, context) to (batch, context * embedding). */
final class CharEmbedding extends AbstractBlock {
    /** The end of the parameter's path. */
    static final String TABLE = "embedding";

    private final int vocabulary;
    private final int embedding;
    private final Parameter table;

    CharEmbedding(int vocabulary, int embedding) {
        this.vocabulary = vocabulary;
        this.embedding = embedding;
        table = addParameter(Parameter.builder()
                .setName(TABLE)
                .setType(Parameter.Type.WEIGHT)
                .build());
    }

    @Override
    protected void prepare(Shape[] inputs) {
        table.setShape(new Shape(vocabulary, embedding));
    }

    @Override
    protected NDList forwardInternal(
            ParameterStore parameters, NDList inputs, boolean training, PairList<String, Object> options) {
        NDArray characters = inputs.singletonOrThrow();
        NDArray weights = parameters.getValue(table, characters.getDevice(), training);
        NDArray vectors =
                Embedding.embedding(characters, weights, SparseFormat.DENSE).singletonOrThrow();
        return new NDList(vectors.reshape(characters.getShape().get(0), -1));
    }

    @Override
    public Shape[] getOutputShapes(Shape[] inputs) {
        Shape input = inputs[0];
        return new Shape[] {new Shape(input.get(0), input.get(1) * embedding)};
    }
}
