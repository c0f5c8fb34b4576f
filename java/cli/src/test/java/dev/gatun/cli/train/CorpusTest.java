package dev.gatun.cli.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.cli.BadInput;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class CorpusTest {
    /** Documents of 300 characters; each has a character of its own many times, to be found again by. */
    private static Documents documents(int count) {
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            texts.add("text ".repeat(30) + String.valueOf((char) (0x4e00 + i)).repeat(150));
        }
        return new Documents("made up", texts);
    }

    private static Set<Byte> characters(byte[] text) {
        Set<Byte> characters = new TreeSet<>();
        for (byte character : text) {
            characters.add(character);
        }
        return characters;
    }

    @Test
    void splitsWholeDocuments90To5To5() {
        Corpus corpus = Corpus.of(documents(40), 16);
        assertThat(corpus.training()).hasSize(36 * 301);
        assertThat(corpus.validation()).hasSize(2 * 301);
        assertThat(corpus.test()).hasSize(2 * 301);
        // Start, "tex ", and one character per document: those of validation and test were never learned, so they are
        // 0.
        assertThat(characters(corpus.training())).hasSize(1 + 4 + 36);
        assertThat(characters(corpus.validation())).hasSize(1 + 4);
        assertThat(corpus.vocabulary()).isEqualTo(1 + 4 + 36);
    }

    @Test
    void sameDocumentsSameSplit() {
        Corpus one = Corpus.of(documents(40), 16);
        Corpus two = Corpus.of(documents(40), 16);
        assertThat(two.fingerprint()).isEqualTo(one.fingerprint());
        assertThat(two.test()).isEqualTo(one.test());
        List<String> changed = new ArrayList<>(documents(40).texts());
        changed.set(7, changed.get(7).replaceFirst("e", "t"));
        assertThat(Corpus.of(new Documents("made up", changed), 16).fingerprint())
                .isNotEqualTo(one.fingerprint());
    }

    @Test
    void fewLongDocumentsAreCut() {
        Corpus corpus = Corpus.of(new Documents("made up", List.of("abc ".repeat(5_000), "abd ".repeat(5_000))), 16);
        assertThat(corpus.validation().length).isBetween(1_500, 2_500);
        assertThat(corpus.test().length).isBetween(1_500, 2_500);
    }

    @Test
    void tooLittleText() {
        assertThatThrownBy(() -> Corpus.of(new Documents("small.txt", List.of("abc ".repeat(100))), 16))
                .isInstanceOf(BadInput.class)
                .hasMessage("--data small.txt: too little text, 400 characters; at least 10000 are needed");
        assertThatThrownBy(() -> Corpus.of(documents(40), 700))
                .isInstanceOf(BadInput.class)
                .hasMessageContaining("too little text for validation, 602 characters; a context of 700 needs 702");
    }

    @Test
    void vocabularyKnowsAsciiAndWhatIsFrequent() {
        Vocabulary vocabulary =
                Vocabulary.of(List.of("abc\n\t" + "é".repeat(30) + "ü".repeat(19) + "\u0007".repeat(5)));
        assertThat(vocabulary.size()).isEqualTo(1 + 5 + 1);
        assertThat(vocabulary.number('é')).isPositive();
        assertThat(vocabulary.number('ü')).isZero();
        assertThat(vocabulary.number('\u0007')).isZero();
        assertThat(vocabulary.encode(List.of("ab", "c")))
                .hasSize(5)
                .startsWith(0)
                .endsWith(vocabulary.number('c'));
    }

    @Test
    void vocabularyEndsAt256() {
        StringBuilder text = new StringBuilder("plain");
        for (char c = 0x4e00; c < 0x4e00 + 400; c++) {
            text.append(String.valueOf(c).repeat(20 + c % 7));
        }
        Vocabulary vocabulary = Vocabulary.of(List.of(text.toString()));
        assertThat(vocabulary.size()).isEqualTo(256);
        assertThat(vocabulary.number('p')).isPositive();
    }
}
