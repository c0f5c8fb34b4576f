package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class RoundsTest {
    @Test
    void medians() {
        assertThat(Rounds.median(new double[] {3, 1, 2})).isEqualTo(2);
        assertThat(Rounds.median(new double[] {4, 1, 2, 3})).isEqualTo(2.5);
        assertThat(Rounds.median(new double[] {7})).isEqualTo(7);
    }

    /** Every contender runs in every round, and each round starts with another one. */
    @Test
    void contendersAlternate() {
        List<String> order = new ArrayList<>();
        List<Contender> contenders =
                List.of(Contender.loop(1, repeats -> order.add("a")), Contender.loop(1, repeats -> order.add("b")));
        List<Integer> seen = new ArrayList<>();
        Rounds times = Rounds.time(contenders, 3, seen::add);
        assertThat(String.join("", order)).isEqualTo("abbaabbaabba");
        assertThat(seen).containsExactly(0, 1, 2, 3, 4, 5);
        assertThat(times.ratio(0, 0)).isEqualTo(1);
        assertThat(times.medianNanos(1)).isPositive();
    }

    /** Short work is repeated until a sample is long enough to time, and the time given is that of one execution. */
    @Test
    void shortWorkIsRepeated() {
        List<Long> repeats = new ArrayList<>();
        Rounds.time(List.of(Contender.loop(1, repeats::add)), 2, round -> {});
        assertThat(repeats.getFirst()).isEqualTo(1);
        assertThat(repeats.getLast()).isGreaterThan(100);
    }
}
