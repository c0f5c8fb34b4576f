package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

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

    /** PyTorch's PolynomialLR goes from step to step by a quotient of powers. */
    @ParameterizedTest
    @ValueSource(doubles = {1, 2, 0.9, 0.5, 3.7, 0})
    void polynomialIsPyTorchs(double power) {
        Schedule schedule = Schedule.polynomial(40, power);
        double rate = 0.3;
        for (int epoch = 0; epoch < 40; epoch++) {
            if (epoch > 0) {
                rate *= Math.pow((1 - epoch / 40.0) / (1 - (epoch - 1) / 40.0), power);
            }
            assertThat(schedule.rate(epoch + 1, 0.3)).isCloseTo(rate, withinPercentage(1e-11));
        }
        assertThat(schedule.rate(41, 0.3)).isEqualTo(power == 0 ? 0.3 : 0);
        assertThat(schedule.rate(1000, 0.3)).isEqualTo(power == 0 ? 0.3 : 0);
    }

    @Test
    void powersAreThoseOfMath() {
        SplittableRandom random = new SplittableRandom(5);
        for (int i = 0; i < 20_000; i++) {
            double base = random.nextDouble();
            double exponent = random.nextDouble(8);
            assertThat(Elementary.power(base, exponent))
                    .isCloseTo(StrictMath.pow(base, exponent), withinPercentage(1e-12));
        }
        assertThat(Elementary.power(0.25, 0.5)).isEqualTo(0.5);
        assertThat(Elementary.power(0, 0.3)).isZero();
        assertThat(Elementary.power(1, Double.MIN_VALUE)).isEqualTo(1);
    }

    /** PyTorch's OneCycleLR in its own numbers: phases that end at 0.3 n - 1 and n - 1, half a cosine each. */
    @ParameterizedTest
    @CsvSource({"100, 0.3, 25, 1e4", "10, 0.3, 25, 1e4", "33, 0.45, 10, 100", "20, 0, 4, 4", "3, 0.3, 25, 1e4"})
    void oneCycleIsPyTorchs(int total, double pctStart, double divFactor, double finalDivFactor) {
        Schedule schedule = Schedule.oneCycle(total, pctStart, divFactor, finalDivFactor);
        double initial = 0.1 / divFactor;
        double least = initial / finalDivFactor;
        double up = pctStart * total - 1;
        for (int epoch = 0; epoch < total; epoch++) {
            boolean rising = epoch <= up && up > 0;
            double start = rising ? initial : 0.1;
            double end = rising ? 0.1 : least;
            double share = rising ? epoch / up : (epoch - up) / (total - 1 - up);
            double expected = end + (start - end) / 2 * (Math.cos(Math.PI * share) + 1);
            assertThat(schedule.rate(epoch + 1, 0.1)).isCloseTo(expected, within(1e-15));
        }
        assertThat(schedule.rate(total, 0.1)).isEqualTo(least);
        assertThat(schedule.rate(total + 50, 0.1)).isEqualTo(least);
    }

    @Test
    void oneCycleOfOneStepIsANumber() {
        assertThat(Schedule.oneCycle(1).rate(1, 1)).isBetween(0.0, 1.0);
        assertThat(Schedule.oneCycle(4, 0.25, 25, 1e4).rate(1, 1)).isEqualTo(1);
    }

    /** PyTorch's ExponentialLR multiplies at every step; MultiStepLR when it passes a milestone. */
    @Test
    void exponentialAndMultiStepArePyTorchs() {
        Schedule exponential = Schedule.exponential(0.97);
        Schedule multiStep = Schedule.multiStep(List.of(5L, 6L, 20L), 0.3);
        double exponentialRate = 0.2;
        double multiStepRate = 0.2;
        for (long epoch = 0; epoch < 60; epoch++) {
            if (epoch > 0) {
                exponentialRate *= 0.97;
            }
            if (epoch == 5 || epoch == 6 || epoch == 20) {
                multiStepRate *= 0.3;
            }
            assertThat(exponential.rate(epoch + 1, 0.2)).isCloseTo(exponentialRate, withinPercentage(1e-12));
            assertThat(multiStep.rate(epoch + 1, 0.2)).isCloseTo(multiStepRate, withinPercentage(1e-12));
        }
    }

    /** Numbers that nobody trains with, and that a fuzzer finds. */
    @Test
    void extremesEnd() {
        assertThat(Schedule.polynomial(10, 1e300).rate(2, 1)).isZero();
        assertThat(Schedule.polynomial(10, 1e300).rate(1, 1)).isEqualTo(1);
        assertThat(Schedule.polynomial(Long.MAX_VALUE - 1, 0.5).rate(Long.MAX_VALUE, 1))
                .isZero();
        Schedule long2 = Schedule.constant(Long.MAX_VALUE - 1).then(Schedule.constant(Long.MAX_VALUE - 1));
        assertThat(long2.length()).isEqualTo(Long.MAX_VALUE);
        assertThat(Schedule.oneCycle(5, 0.3, 1, Double.MAX_VALUE).rate(5, 1)).isLessThan(1e-300);
    }

    @Test
    void milestonesIncrease() {
        for (List<Long> milestones : List.of(List.<Long>of(), List.of(0L), List.of(3L, 3L), List.of(5L, 4L))) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> Schedule.multiStep(milestones, 0.1))
                    .withMessageContaining("milestones must be");
        }
    }

    /** However they were put together: places in strings count from the beginning. */
    @Test
    void sequencesPrintPlaces() {
        Schedule left = Schedule.warmup(10).then(Schedule.constant(5)).then(Schedule.polynomial(85, 2));
        Schedule right = Schedule.warmup(10).then(Schedule.constant(5).then(Schedule.polynomial(85, 2)));
        for (Schedule schedule : List.of(left, right)) {
            assertThat(schedule).hasToString("warmup(10)+constant(5)+polynomial(100, 2)");
            assertThat(schedule.length()).isEqualTo(100);
            assertThat(schedule.phases()).hasSize(3);
        }
        assertThat(right.rate(40, 1)).isEqualTo(left.rate(40, 1));
        assertThat(Schedule.cosine(5).phases()).containsExactly(Schedule.cosine(5));
    }

    /** SING's paper trains with these two. */
    @Test
    void warmupConstantCosineIsReadWithShares() {
        Schedule schedule = Schedule.parse("warmup(5%)+constant(60%)+cosine", 1000);
        assertThat(schedule.rate(25, 1)).isEqualTo(0.5);
        assertThat(schedule.rate(50, 1)).isEqualTo(1);
        assertThat(schedule.rate(650, 1)).isEqualTo(1);
        assertThat(schedule.rate(651, 1)).isEqualTo(1);
        assertThat(schedule.rate(826, 1)).isCloseTo(0.5, within(1e-15));
        assertThat(schedule.rate(1000, 1)).isBetween(0.0, 1e-4);
        Schedule two = Schedule.parse("warmup(5%)+cosine", 1000);
        assertThat(two.rate(526, 1)).isCloseTo(0.5, within(1e-15));
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
                "step(1, 0.9)                      | exponential(0.9)",
                "exponential(0.999)                | exponential(0.999)",
                "polynomial                        | polynomial(200)",
                "polynomial(50%, 1)                | polynomial(100)",
                "warmup(20)+polynomial(120, 0.9)   | warmup(20)+polynomial(120, 0.9)",
                "onecycle                          | onecycle(200)",
                "onecycle()                        | onecycle(200)",
                "onecycle( 50% , div_factor = 10 ) | onecycle(100, div_factor=10)",
                "onecycle(pct_start=.2)            | onecycle(200, pct_start=0.2)",
                "onecycle(90, final_div_factor=10, pct_start=0.5) | onecycle(90, pct_start=0.5, final_div_factor=10)",
                "constant(10)+onecycle(100)        | constant(10)+onecycle(100)",
                "multistep(30, 0.1)                | multistep(30, 0.1)",
                "warmup(10)+multistep(30, 75%, .1) | warmup(10)+multistep(30, 150, 0.1)",
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
                "exponential               | 11 | 'exponential' has no '(': write exponential(FACTOR)",
                "exponential(-1)           | 0  | factor must be 0 or more",
                "exponential()             | 12 | factor, a number, is expected",
                "warmup()                  | 7  | warmup, a number of steps or a share such as 5%, is expected",
                "polynomial(100, -1)       | 0  | power must be 0 or more",
                "polynomial(100 2)         | 15 | the closing ')' of 'polynomial' is missing",
                "polynomial(0)             | 0  | the polynomial ends at step 0, and begins only after step 0",
                "onecycle(100, pct=0.5)    | 14 | 'onecycle' has no key 'pct'",
                "onecycle(100, div_factor) | 24 | 'div_factor' has no value: write div_factor=",
                "onecycle(100, div_factor=0)  | 0  | divFactor must be 1 or more",
                "onecycle(100, pct_start=1)   | 0  | pctStart must be 0 or more and below 1, and is 1.0",
                "onecycle(pct_start=0.1, pct_start=0.2) | 24 | 'pct_start' is given twice",
                "multistep(10)             | 10 | multistep ends with its factor",
                "multistep(10, 20%)        | 14 | multistep ends with its factor",
                "multistep(10, 5, 0.1)     | 0  | milestones must be 1 or more and increase, and are [10, 5]",
                "multistep(1.5, 0.1)       | 10 | milestone must be a whole number, and is '1.5'",
                "warmup(10)+multistep(10, 0.1) | 21 | the milestone is step 10, and the phase begins only after step 10",
                "plateau(factor=1)         | 0  | factor must be 0 or more and below 1, and is 1.0",
                "plateau(patience=1.5)     | 17 | patience must be a whole number",
                "plateau(mode=best)        | 13 | mode must be min or max, and is 'best'",
                "plateau(5)                | 8  | a key of 'plateau' is expected",
                "plateau+cosine            | 8  | plateau never ends",
            })
    void saysWhatIsWrongAndWhere(String specification, int position, String reason) {
        SpecificationException e =
                catchThrowableOfType(SpecificationException.class, () -> Schedule.parse(specification, 200));
        assertThat(e).as(specification).isNotNull();
        assertThat(e.getMessage()).contains(reason);
        assertThat(e.position()).as(e.getMessage()).isEqualTo(position);
    }
}
