package dev.gatun.cli.train;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class TextBatchesTest {
    private static byte[] text(int length) {
        byte[] text = new byte[length];
        for (int i = 0; i < length; i++) {
            text[i] = (byte) i;
        }
        return text;
    }

    private static TextBatches batches(int length, int batch, int context) {
        byte[] text = text(length);
        return new TextBatches(new Corpus("made up", 1, text, text, text, 256), batch, context);
    }

    @Test
    void aTargetFollowsItsInputs() {
        TextBatches batches = batches(256, 64, 5);
        batches.draw(1, 1);
        for (int place = 0; place < 64; place++) {
            long first = batches.input(place)[0];
            assertThat(batches.input(place)).containsExactly(first, first + 1, first + 2, first + 3, first + 4);
            assertThat(batches.target(place)).isEqualTo(first + 5);
        }
    }

    @Test
    void seedAndStepDecide() {
        TextBatches one = batches(200, 16, 3);
        TextBatches two = batches(200, 16, 3);
        one.draw(5, 9);
        two.draw(5, 8);
        assertThat(all(two)).isNotEqualTo(all(one));
        two.draw(6, 9);
        assertThat(all(two)).isNotEqualTo(all(one));
        two.draw(5, 9);
        assertThat(all(two)).isEqualTo(all(one));
    }

    private static long[] all(TextBatches batches) {
        long[] all = new long[16];
        for (int place = 0; place < 16; place++) {
            all[place] = batches.target(place);
        }
        return all;
    }

    @Test
    void everyPlaceCanBeDrawnTheLastIncluded() {
        TextBatches batches = batches(8, 64, 3);
        boolean[] seen = new boolean[8];
        for (int step = 1; step < 20; step++) {
            batches.draw(1, step);
            for (int place = 0; place < 64; place++) {
                seen[(int) batches.target(place)] = true;
            }
        }
        assertThat(seen).containsExactly(false, false, false, true, true, true, true, true);
    }

    @Test
    void whatIsMeasuredByHasAnEndAndNoSeed() {
        TextBatches one = batches(200, 16, 3);
        TextBatches two = batches(200, 16, 3);
        int places = 0;
        for (int i = 0; one.draw(Part.TEST, i, false); i++) {
            two.draw(i, i);
            assertThat(two.draw(Part.TEST, i, true)).isTrue();
            assertThat(all(two)).isEqualTo(all(one));
            places += 16;
        }
        assertThat(places).isEqualTo(10_240);
        assertThat(one.draw(Part.VALIDATION, TextBatches.PLACES / 16 - 1, true)).isTrue();
        assertThat(one.draw(Part.VALIDATION, TextBatches.PLACES / 16, true)).isFalse();
    }
}
