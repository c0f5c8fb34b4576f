package dev.gatun;

/**
 * Ranges of hyperparameters. Comparisons are written so that NaN fails. The value comes back as it is to be kept: a
 * negative zero becomes zero, so that rules that compute the same are equal.
 */
final class Check {
    private Check() {}

    static double atLeastZero(String parameter, double value) {
        return require(value >= 0 && value <= Double.MAX_VALUE, parameter, value, "0 or more and finite");
    }

    static double finite(String parameter, double value) {
        return require(Math.abs(value) <= Double.MAX_VALUE, parameter, value, "finite");
    }

    static double aboveZero(String parameter, double value) {
        return require(value > 0 && value <= Double.MAX_VALUE, parameter, value, "above 0 and finite");
    }

    static double atLeastOne(String parameter, double value) {
        return require(value >= 1 && value <= Double.MAX_VALUE, parameter, value, "1 or more and finite");
    }

    /** A factor of an exponential average whose bias is corrected by 1 / (1 - b^t): 1 itself is out. */
    static double belowOne(String parameter, double value) {
        return require(value >= 0 && value < 1, parameter, value, "0 or more and below 1");
    }

    static double fraction(String parameter, double value) {
        return require(value >= 0 && value <= 1, parameter, value, "from 0 to 1");
    }

    static long atLeast(String parameter, long value, long least) {
        if (value < least) {
            throw new IllegalArgumentException(parameter + " must be " + least + " or more, and is " + value);
        }
        return value;
    }

    static <T> T notNull(String parameter, T value) {
        if (value == null) {
            throw new IllegalArgumentException(parameter + " must be given, and is null");
        }
        return value;
    }

    private static double require(boolean holds, String parameter, double value, String range) {
        if (!holds) {
            throw new IllegalArgumentException(parameter + " must be " + range + ", and is " + value);
        }
        return value + 0.0;
    }
}
