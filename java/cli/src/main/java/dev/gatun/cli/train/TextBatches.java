package dev.gatun.cli.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.util.SplittableRandom;

/** So many places in a text, the characters before each and the one that follows them. */
final class TextBatches implements Batches {
    /** Places that the final losses are measured at; the standard error of their mean is 0.015 bits. */
    static final int PLACES = 51_200;

    /** Places of a validation on the way; the standard error of its mean is 0.03 bits, the same places for everyone. */
    private static final int FEWER_PLACES = 10_240;

    /** Batches to measure by are drawn with this seed, whatever the run's. */
    private static final long EVALUATION_SEED = 20_260_101;

    private final Corpus corpus;
    private final int batch;
    private final int context;
    private final ByteBuffer inputs;
    private final ByteBuffer targets;

    TextBatches(Corpus corpus, int batch, int context) {
        this.corpus = corpus;
        this.batch = batch;
        this.context = context;
        inputs = ByteBuffer.allocateDirect(Math.multiplyExact(Math.multiplyExact(batch, context), Long.BYTES))
                .order(ByteOrder.nativeOrder());
        targets =
                ByteBuffer.allocateDirect(Math.multiplyExact(batch, Long.BYTES)).order(ByteOrder.nativeOrder());
    }

    @Override
    public void draw(long seed, long step) {
        draw(corpus.training(), seed, step);
    }

    @Override
    public boolean draw(Part part, int number, boolean thorough) {
        if (number == Math.ceilDiv(thorough ? PLACES : FEWER_PLACES, batch)) {
            return false;
        }
        draw(part == Part.TEST ? corpus.test() : corpus.validation(), EVALUATION_SEED, number);
        return true;
    }

    private void draw(byte[] text, long seed, long step) {
        // SplittableRandom scatters its seed by itself; the prime keeps (seed, step) pairs apart.
        SplittableRandom random = new SplittableRandom(seed * 1_000_000_007L + step);
        LongBuffer input = inputs.asLongBuffer();
        LongBuffer target = targets.asLongBuffer();
        for (int i = 0; i < batch; i++) {
            int start = random.nextInt(text.length - context);
            for (int j = 0; j < context; j++) {
                input.put(i * context + j, text[start + j] & 0xff);
            }
            target.put(i, text[start + context] & 0xff);
        }
    }

    /** The characters before each place: (batch, context), INT64. */
    @Override
    public NDArray inputs(NDManager manager) {
        return manager.create(
                inputs.duplicate().order(ByteOrder.nativeOrder()), new Shape(batch, context), DataType.INT64);
    }

    /** The character at each place: (batch), INT64. */
    @Override
    public NDArray targets(NDManager manager) {
        return manager.create(targets.duplicate().order(ByteOrder.nativeOrder()), new Shape(batch), DataType.INT64);
    }

    /** The characters before one place, as drawn last. */
    long[] input(int place) {
        long[] characters = new long[context];
        inputs.asLongBuffer().get(place * context, characters);
        return characters;
    }

    /** The character at one place, as drawn last. */
    long target(int place) {
        return targets.asLongBuffer().get(place);
    }
}
