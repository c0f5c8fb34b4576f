package dev.gatun;

/**
 * The schedules that have strings. {@code length} is the number of steps, {@link Long#MAX_VALUE} for no end.
 *
 * <p>A rate is part of a step's bits and is asked for within the step. So there is nothing of {@code Math}, whose
 * results may differ between machines, nor of {@code StrictMath}, whose cos and pow allocate arrays.
 */
final class Schedules {
    private Schedules() {}

    record Constant(long length) implements Schedule {
        Constant {
            Check.atLeast("steps", length, 0);
        }

        @Override
        public double rate(long step, double lr) {
            return lr;
        }

        @Override
        public String toString() {
            return length == Long.MAX_VALUE ? "constant" : "constant(" + length + ")";
        }
    }

    record Warmup(long length) implements Schedule {
        Warmup {
            Check.atLeast("steps", length, 0);
        }

        @Override
        public double rate(long step, double lr) {
            return step >= length ? lr : lr * ((double) step / length);
        }

        @Override
        public String toString() {
            return "warmup(" + length + ")";
        }
    }

    record Cosine(long length) implements Schedule {
        Cosine {
            Check.atLeast("total", length, 1);
        }

        @Override
        public double rate(long step, double lr) {
            if (step > length) {
                return 0;
            }
            // (1 + cos(pi r)) / 2 is 1 - sin(pi r / 2)^2, and sin(pi (1 - r) / 2)^2: one of the angles is at most pi /
            // 4.
            long done = step - 1;
            double sine = sine(Math.PI / 2 * Math.min(done, length - done) / length);
            return lr * (done <= length - done ? 1 - sine * sine : sine * sine);
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

        @Override
        public String toString() {
            return "cosine(" + length + ")";
        }
    }

    record Steps(long every, double factor) implements Schedule {
        Steps {
            Check.atLeast("every", every, 1);
            factor = Check.atLeastZero("factor", factor);
        }

        @Override
        public double rate(long step, double lr) {
            return lr * power(factor, (step - 1) / every);
        }

        private static double power(double base, long exponent) {
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

        @Override
        public String toString() {
            return "step(" + every + ", " + RuleForm.Key.number(factor) + ")";
        }
    }

    record Sequence(Schedule first, Schedule next) implements Schedule {
        Sequence {
            if (first.length() == Long.MAX_VALUE) {
                throw new IllegalArgumentException(
                        first + " never ends, so nothing can follow it: give it a number of steps");
            }
        }

        @Override
        public long length() {
            return next.length() == Long.MAX_VALUE ? Long.MAX_VALUE : first.length() + next.length();
        }

        @Override
        public double rate(long step, double lr) {
            return step <= first.length() ? first.rate(step, lr) : next.rate(step - first.length(), lr);
        }

        @Override
        public String toString() {
            // A cosine's string has the step where it ends, counted from the beginning.
            Object after = next instanceof Cosine cosine ? new Cosine(first.length() + cosine.length) : next;
            return first + "+" + after;
        }
    }
}
