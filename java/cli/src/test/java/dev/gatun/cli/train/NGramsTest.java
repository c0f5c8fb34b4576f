package dev.gatun.cli.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class NGramsTest {
    private static double bits(double probability) {
        return -Math.log(probability) / Math.log(2);
    }

    /** Counted on paper: of "ababab" the third character on, (a,b) to a twice, (b,a) to b twice. */
    @Test
    void countsByHand() {
        byte[] training = {1, 2, 1, 2, 1, 2};
        byte[] text = {1, 2, 1};
        NGrams lines = NGrams.of(training, text, 3);

        // Observed characters: a, b, a, b. One more of each of the three.
        double one = (2 + 1) / (4.0 + 3);
        // b came before twice, both times followed by a.
        double two = (2 + 2 * one) / (2.0 + 2);
        // a, b came before twice, both times followed by a.
        double three = (2 + 2 * two) / (2.0 + 2);
        assertThat(lines.unigram()).isEqualTo(bits(one), within(1e-12));
        assertThat(lines.bigram()).isEqualTo(bits(two), within(1e-12));
        assertThat(lines.trigram()).isEqualTo(bits(three), within(1e-12));
    }

    @Test
    void whatWasNeverSeenFallsBackToTheLowerOrder() {
        byte[] training = {1, 2, 1, 2, 1, 2};
        byte[] text = {2, 2, 1};
        NGrams lines = NGrams.of(training, text, 3);
        // 2, 2 never came before, so the trigram says what the bigram says.
        assertThat(lines.trigram()).isEqualTo(lines.bigram(), within(1e-12));
    }

    @Test
    void numbersAbove127AreCharactersToo() {
        byte[] training = {(byte) 200, (byte) 201, (byte) 200, (byte) 201, (byte) 200};
        NGrams lines = NGrams.of(training, training, 256);
        assertThat(lines.trigram()).isLessThan(lines.bigram()).isLessThan(8);
    }
}
