package dev.gatun.cli.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.cli.BadInput;
import org.junit.jupiter.api.Test;

class EntryTest {
    @Test
    void namesAreDifferentAndShowWrappers() {
        assertThat(Entry.parse("adam(lr=0.1); adam( lr = 0.2 ) ;lookahead(adam());", false))
                .extracting(Entry::name)
                .containsExactly("adam", "adam-2", "lookahead-adam");
    }

    @Test
    void djlsAdamWTakesTheLearningRateOfTheFirstAdamW() {
        Entry row =
                Entry.parse("sgd(lr=0.5); adamw(lr=0.02); adamw(lr=0.03)", true).getLast();
        assertThat(row).isEqualTo(new Entry("djl-adamw", "adamw(lr=0.02)", true));
        assertThatThrownBy(() -> Entry.parse("sgd(lr=0.5)", true))
                .isInstanceOf(BadInput.class)
                .hasMessageContaining("--djl-adamw: takes the learning rate of the first adamw, and there is none");
    }

    @Test
    void nothingAndNonsense() {
        assertThatThrownBy(() -> Entry.parse(" ; ", false))
                .isInstanceOf(BadInput.class)
                .hasMessageContaining("no optimizer");
        assertThatThrownBy(() -> Entry.parse("adamm(lr=1)", false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("adam");
    }
}
