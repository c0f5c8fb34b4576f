package dev.gatun;

/** The schedules that have strings. {@code length} is the number of steps, {@link Long#MAX_VALUE} for no end. */
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
            // StrictMath: the same bits on every machine.
            return step > length ? 0 : lr * 0.5 * (1 + StrictMath.cos(Math.PI * (step - 1) / length));
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
            return lr * StrictMath.pow(factor, (step - 1) / every);
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
