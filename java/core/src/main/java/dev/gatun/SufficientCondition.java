package dev.gatun;

import java.util.function.LongToDoubleFunction;

/**
 * The condition on schedules alone under which Generic Adam converges (Zou et al., 1811.09358), looked at over finitely
 * many steps. For step sizes alpha(t), second-moment decay rates theta(t) and t from 1:
 *
 * <ol>
 *   <li>0 &lt; theta(t) &lt; 1, and theta does not decrease;
 *   <li>chi(t) = alpha(t) / sqrt(1 - theta(t)) is almost non-increasing: within a constant of a non-increasing sequence;
 *   <li>sum(alpha(k) * sqrt(1 - theta(k)), k = 1..t) / (t * alpha(t)) goes to 0.
 * </ol>
 *
 * The first moment's decay rate must stay below 1 besides, which {@link GenericAdam} sees to. The last two are limits:
 * what is measured is how they go over the last octaves, so that the answer is evidence and no proof. For powers of t,
 * {@link #holdsForPowers} has the exact answer.
 *
 * @param thetaInRange whether every theta is above 0 and below 1
 * @param thetaNonDecreasing whether no theta is smaller than the one before
 * @param chiExcess the largest chi(t) over the smallest chi up to t; NaN if a theta is out of range
 * @param chiAlmostNonIncreasing whether that is at most 1000, and grew by less than 5 % over the second half
 * @param ratio the last value of the third clause's ratio
 * @param ratioSlope its slope over the last two octaves, d log(ratio) / d log(t)
 * @param ratioVanishes whether the slope is below -0.02
 */
public record SufficientCondition(
        boolean thetaInRange,
        boolean thetaNonDecreasing,
        double chiExcess,
        boolean chiAlmostNonIncreasing,
        double ratio,
        double ratioSlope,
        boolean ratioVanishes) {

    /** Whether all clauses hold. */
    public boolean holds() {
        return thetaInRange && thetaNonDecreasing && chiAlmostNonIncreasing && ratioVanishes;
    }

    /**
     * The exact answer for alpha(t) = t^-s and theta(t) = 1 - a * t^-r with 0 &lt; a &lt; 1: 0 &lt; r &lt;= 2s &lt; 2.
     * So r above 0 is needed, Adam's constant theta fails for every s, and s = 1/2 goes with every r up to 1.
     */
    public static boolean holdsForPowers(double s, double r) {
        return 0 < r && r <= 2 * s && 2 * s < 2;
    }

    /** Looks at 65,536 steps. */
    public static SufficientCondition check(LongToDoubleFunction alpha, LongToDoubleFunction theta) {
        return check(alpha, theta, 1 << 16);
    }

    /**
     * Looks at steps 1 to {@code steps}, 64 or more.
     *
     * @param alpha the step size at step t, above 0
     * @param theta the decay rate of the second moment at step t
     * @throws IllegalArgumentException for fewer steps, or a step size that is not above 0 and finite
     */
    public static SufficientCondition check(LongToDoubleFunction alpha, LongToDoubleFunction theta, int steps) {
        Check.notNull("alpha", alpha);
        Check.notNull("theta", theta);
        Check.atLeast("steps", steps, 64);
        boolean inRange = true;
        boolean nonDecreasing = true;
        double last = 0;
        double smallest = Double.POSITIVE_INFINITY;
        double excess = 1;
        double excessOfHalf = 1;
        double sum = 0;
        double ratio = 0;
        double ratioBefore = 0;
        for (int t = 1; t <= steps; t++) {
            double a = Check.aboveZero("alpha(" + t + ")", alpha.applyAsDouble(t));
            double b = theta.applyAsDouble(t);
            inRange &= b > 0 && b < 1;
            nonDecreasing &= b >= last - 1e-15; // a rounding of 1 - a * t^-r is no decrease
            last = b;
            double chi = a / Math.sqrt(1 - b);
            smallest = Math.min(smallest, chi);
            excess = Math.max(excess, chi / smallest);
            excessOfHalf = t == steps / 2 ? excess : excessOfHalf;
            sum += a * Math.sqrt(1 - b);
            ratio = sum / (t * a);
            ratioBefore = t == steps / 4 ? ratio : ratioBefore;
        }
        double slope = Math.log(ratio / ratioBefore) / Math.log(steps / (double) (steps / 4));
        boolean almost = excess <= 1000 && excess <= 1.05 * excessOfHalf;
        return new SufficientCondition(
                inRange,
                nonDecreasing,
                inRange ? excess : Double.NaN,
                inRange && almost,
                ratio,
                slope,
                inRange && slope < -0.02);
    }
}
