package dev.gatun.cli.train;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class BatchesTest {
    private static byte[] text(int length) {
        byte[] text = new byte[length];
        for (int i = 0; i < length; i++) {
            text[i] = (byte) i;
        }
        return text;
    }

    @Test
    void aTargetFollowsItsInputs() {
        Batches batches = new Batches(64, 5);
        batches.draw(text(256), 1, 1);
        for (int place = 0; place < 64; place++) {
            long first = batches.input(place)[0];
            assertThat(batches.input(place)).containsExactly(first, first + 1, first + 2, first + 3, first + 4);
            assertThat(batches.target(place)).isEqualTo(first + 5);
        }
    }

    @Test
    void seedAndStepDecide() {
        Batches one = new Batches(16, 3);
        Batches two = new Batches(16, 3);
        one.draw(text(200), 5, 9);
        two.draw(text(200), 5, 8);
        assertThat(all(two)).isNotEqualTo(all(one));
        two.draw(text(200), 6, 9);
        assertThat(all(two)).isNotEqualTo(all(one));
        two.draw(text(200), 5, 9);
        assertThat(all(two)).isEqualTo(all(one));
    }

    private static long[] all(Batches batches) {
        long[] all = new long[16];
        for (int place = 0; place < 16; place++) {
            all[place] = batches.target(place);
        }
        return all;
    }

    @Test
    void everyPlaceCanBeDrawnTheLastIncluded() {
        Batches batches = new Batches(64, 3);
        boolean[] seen = new boolean[8];
        for (int step = 1; step < 20; step++) {
            batches.draw(text(8), 1, step);
            for (int place = 0; place < 64; place++) {
                seen[(int) batches.target(place)] = true;
            }
        }
        assertThat(seen).containsExactly(false, false, false, true, true, true, true, true);
    }
}
