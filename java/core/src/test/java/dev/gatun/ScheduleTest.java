package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ScheduleTest {
    @Test
    void constantIsTheRulesRate() {
        assertThat(Schedule.constant().rate(1, 0.3)).isEqualTo(0.3);
        assertThat(Schedule.constant().rate(Long.MAX_VALUE, 0.3)).isEqualTo(0.3);
    }

    @Test
    void warmupRisesInAStraightLine() {
        Schedule warmup = Schedule.warmup(4);
        assertThat(warmup.rate(1, 2)).isEqualTo(0.5);
        assertThat(warmup.rate(2, 2)).isEqualTo(1);
        assertThat(warmup.rate(4, 2)).isEqualTo(2);
        assertThat(warmup.rate(5, 2)).isEqualTo(2);
    }

    @Test
    void cosineFallsFromTheFullRate() {
        Schedule cosine = Schedule.cosine(100);
        assertThat(cosine.rate(1, 2)).isEqualTo(2);
        assertThat(cosine.rate(51, 2)).isCloseTo(1, within(1e-15));
        assertThat(cosine.rate(100, 2)).isCloseTo(1 + Math.cos(0.99 * Math.PI), within(1e-15));
        assertThat(cosine.rate(101, 2)).isEqualTo(0);
        for (int step = 1; step <= 100; step++) {
            double expected = 1 + Math.cos(Math.PI * (step - 1) / 100);
            assertThat(cosine.rate(step, 2)).isCloseTo(expected, within(1e-15));
        }
        assertThat(cosine.rate(1000, 2)).isEqualTo(0);
    }

    @Test
    void stepFallsInStairs() {
        Schedule step = Schedule.step(10, 0.5);
        assertThat(step.rate(10, 2)).isEqualTo(2);
        assertThat(step.rate(11, 2)).isEqualTo(1);
        assertThat(step.rate(21, 2)).isEqualTo(0.5);
        assertThat(Schedule.step(1, 0.9).rate(1001, 2)).isCloseTo(2 * Math.pow(0.9, 1000), withinPercentage(1e-10));
    }

    @Test
    void phasesFollowEachOther() {
        Schedule schedule = Schedule.warmup(10).then(Schedule.constant(5)).then(Schedule.cosine(85));
        assertThat(schedule.rate(10, 1)).isEqualTo(1);
        assertThat(schedule.rate(15, 1)).isEqualTo(1);
        assertThat(schedule.rate(16, 1)).isEqualTo(Schedule.cosine(85).rate(1, 1));
        assertThat(schedule.rate(17, 1)).isEqualTo(Schedule.cosine(85).rate(2, 1));
        assertThat(schedule.rate(101, 1)).isEqualTo(0);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Schedule.constant().then(Schedule.cosine(10)))
                .withMessageContaining("constant never ends");
        Schedule lambda = (step, lr) -> lr / step;
        assertThat(Schedule.warmup(2).then(lambda).rate(4, 1)).isEqualTo(0.5);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "constant                          | constant",
                "warmup(10)+constant               | warmup(10)+constant",
                "warmup(10) + cosine(100)          | warmup(10)+cosine(100)",
                "warmup(5%)+constant(60%)+cosine   | warmup(10)+constant(120)+cosine(200)",
                "cosine                            | cosine(200)",
                "step(30, 0.1)                     | step(30, 0.1)",
                "step(25%, 0.5)                    | step(50, 0.5)",
                "warmup(2.5%)+step(10, .5)         | warmup(5)+step(10, 0.5)",
            })
    void stringsAreReadAndPrinted(String specification, String printed) {
        Schedule schedule = Schedule.parse(specification, 200);
        assertThat(schedule).hasToString(printed);
        assertThat(Schedule.parse(printed, 999)).isEqualTo(schedule);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "cosin                     | 0  | no schedule 'cosin': did you mean 'cosine'?",
                "warmup                    | 6  | 'warmup' has no '('",
                "warmup(-1)                | 0  | steps must be 0 or more, and is -1",
                "warmup(10                 | 9  | the closing ')' of 'warmup' is missing",
                "warmup(101%)              | 7  | warmup must be from 0% to 100%",
                "warmup(x)                 | 7  | warmup must be a whole number, and is 'x'",
                "step(10)                  | 7  | step needs two numbers",
                "step(0, 0.5)              | 0  | every must be 1 or more, and is 0",
                "step(10, -1)              | 0  | factor must be 0 or more",
                "constant+cosine           | 9  | constant never ends",
                "warmup(10)+cosine(10)     | 11 | begins only after step 10",
                "warmup(10)+               | 11 | a phase",
                "warmup(10) cosine         | 11 | a '+' and another phase",
            })
    void saysWhatIsWrongAndWhere(String specification, int position, String reason) {
        SpecificationException e =
                catchThrowableOfType(SpecificationException.class, () -> Schedule.parse(specification, 200));
        assertThat(e).as(specification).isNotNull();
        assertThat(e.getMessage()).contains(reason);
        assertThat(e.position()).as(e.getMessage()).isEqualTo(position);
    }
}
