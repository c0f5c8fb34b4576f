package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SufficientConditionTest {
    private static final double[] POWERS = {0, 0.25, 0.5, 0.75, 1};

    /** Rows: s, the power of the step sizes; columns: r, the power of 1 - theta. As the oracle's checker has them. */
    private static final String[] TABLE = {"-----", "-++--", "-++++", "-++++", "-----"};

    @ParameterizedTest
    @ValueSource(doubles = {0.1, 0.5, 0.9})
    void powersOfTheStepHaveTheirVerdict(double a) {
        for (int i = 0; i < POWERS.length; i++) {
            for (int j = 0; j < POWERS.length; j++) {
                double s = POWERS[i];
                double r = POWERS[j];
                boolean expected = TABLE[i].charAt(j) == '+';
                SufficientCondition measured =
                        SufficientCondition.check(t -> Math.pow(t, -s), t -> 1 - a * Math.pow(t, -r));
                assertThat(measured.holds())
                        .as("s %s, r %s: %s", s, r, measured)
                        .isEqualTo(expected);
                assertThat(SufficientCondition.holdsForPowers(s, r))
                        .as("s %s, r %s", s, r)
                        .isEqualTo(expected);
            }
        }
    }

    @Test
    void slopesAreThoseOfTheDerivation() {
        // T^(-r/2) where s + r/2 < 1, and no decay for a constant theta
        assertThat(powers(0.5, 0.25).ratioSlope()).isBetween(-0.13, -0.11);
        assertThat(powers(0.25, 0.5).ratioSlope()).isBetween(-0.26, -0.24);
        assertThat(powers(0.25, 0).ratioSlope()).isBetween(-0.01, 0.01);
    }

    @Test
    void everyClauseCanFailAlone() {
        assertThat(SufficientCondition.check(t -> 1 / Math.sqrt(t), t -> t == 1 ? 0 : 1 - 0.5 / t))
                .matches(c -> !c.thetaInRange() && c.thetaNonDecreasing() && !c.holds());
        assertThat(SufficientCondition.check(t -> 1 / Math.sqrt(t), t -> t == 9 ? 0.4 : 1 - 0.5 / t))
                .matches(c -> c.thetaInRange() && !c.thetaNonDecreasing() && c.ratioVanishes() && !c.holds());
        assertThat(powers(0.25, 1))
                .matches(c -> c.thetaNonDecreasing() && !c.chiAlmostNonIncreasing() && c.ratioVanishes());
        assertThat(powers(0.5, 0)).matches(c -> c.chiAlmostNonIncreasing() && !c.ratioVanishes());
    }

    @Test
    void aNanFailsAndABadStepSizeIsRefused() {
        assertThat(SufficientCondition.check(t -> 1, t -> Double.NaN).holds()).isFalse();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SufficientCondition.check(t -> t == 7 ? 0 : 1, t -> 0.9))
                .withMessage("alpha(7) must be above 0 and finite, and is 0.0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SufficientCondition.check(t -> 1, t -> 0.9, 63))
                .withMessage("steps must be 64 or more, and is 63");
    }

    private static SufficientCondition powers(double s, double r) {
        return SufficientCondition.check(t -> Math.pow(t, -s), t -> 1 - 0.5 * Math.pow(t, -r));
    }
}
