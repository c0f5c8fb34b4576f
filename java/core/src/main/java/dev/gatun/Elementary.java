package dev.gatun;

/**
 * What schedules need of sines and powers, made of {@code + - * /} and square roots, which are the same to the last bit on
 * every machine. {@code Math}'s own may differ between machines, and {@code StrictMath}'s cos and pow allocate arrays.
 */
final class Elementary {
    private Elementary() {}

    /** Half a cosine from 1 at 0 down to 0 at {@code length}: (1 + cos(pi done / length)) / 2. */
    static double fall(double done, double length) {
        // It is 1 - sin(pi r / 2)^2, and sin(pi (1 - r) / 2)^2: one of the two angles is at most pi / 4.
        double sine = sine(Math.PI / 2 * Math.min(done, length - done) / length);
        return done <= length - done ? 1 - sine * sine : sine * sine;
    }

    /** For 0 to pi / 4, where the first term left out is below 1e-19. */
    private static double sine(double x) {
        double square = x * x;
        double series = 1;
        for (int n = 16; n >= 2; n -= 2) {
            series = 1 - series * square / (n * (n + 1));
        }
        return x * series;
    }

    /** A whole power, by squaring. */
    static double power(double base, long exponent) {
        double result = 1;
        double square = base;
        for (long bits = exponent; bits > 0; bits >>= 1) {
            if ((bits & 1) == 1) {
                result *= square;
            }
            square *= square;
        }
        return result;
    }

    /**
     * A power of a base from 0 to 1: the exponent's binary digits behind the point are square roots, roots of roots and
     * so on. Each factor is off by an ulp at most, so the result by about as many as there are digits set: 1e-14.
     *
     * @param exponent 0 or more
     */
    static double power(double base, double exponent) {
        long whole = (long) exponent;
        double fraction = exponent < 1L << 53 ? exponent - whole : 0;
        double result = power(base, whole);
        for (double root = base; fraction > 0 && root < 1; fraction *= 2) {
            if (fraction >= 1) {
                fraction -= 1;
                result *= root;
            }
            root = Math.sqrt(root);
        }
        return result;
    }
}
