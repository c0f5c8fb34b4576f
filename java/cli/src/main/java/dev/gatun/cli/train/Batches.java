package dev.gatun.cli.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.util.SplittableRandom;

/**
 * Draws batches: so many places in a text, the characters before each and the one that follows them.
 *
 * <p>A batch is a function of (text, seed, step) and of nothing else, so every optimizer sees the same batches, and a
 * resumed run the ones it would have seen. Two direct buffers are filled again and again; arrays made of them alias
 * them, because a new {@code create(long[])} at every step lets memory creep up.
 */
final class Batches {
    private final int batch;
    private final int context;
    private final ByteBuffer inputs;
    private final ByteBuffer targets;

    Batches(int batch, int context) {
        this.batch = batch;
        this.context = context;
        inputs = ByteBuffer.allocateDirect(Math.multiplyExact(Math.multiplyExact(batch, context), Long.BYTES))
                .order(ByteOrder.nativeOrder());
        targets =
                ByteBuffer.allocateDirect(Math.multiplyExact(batch, Long.BYTES)).order(ByteOrder.nativeOrder());
    }

    /** Draws the batch of a step; arrays made of the one before change with it. */
    void draw(byte[] text, long seed, long step) {
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
    NDArray inputs(NDManager manager) {
        return manager.create(
                inputs.duplicate().order(ByteOrder.nativeOrder()), new Shape(batch, context), DataType.INT64);
    }

    /** The character at each place: (batch), INT64. */
    NDArray targets(NDManager manager) {
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
