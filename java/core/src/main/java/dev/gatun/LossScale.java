package dev.gatun;

/** A loss scale as it is now: {@link LossScaling} at work. */
final class LossScale {
    /**
     * What a checkpoint keeps of it.
     *
     * @param scale the scale
     * @param row the steps in a row since it last changed or a step was refused
     */
    record Saved(float scale, long row) {
        /** As it stands in the file. */
        @Override
        public String toString() {
            return scale + ", " + row;
        }
    }

    private final LossScaling scaling;
    private float scale;
    private long row;

    LossScale(LossScaling scaling) {
        this.scaling = scaling;
        begin();
    }

    void begin() {
        scale = (float) scaling.initial();
        row = 0;
    }

    void restore(Saved saved) {
        scale = saved.scale();
        row = saved.row();
    }

    Saved saved() {
        return new Saved(scale, row);
    }

    float scale() {
        return scale;
    }

    /** After each step. */
    void count(boolean refused) {
        row = refused ? 0 : row + 1;
        if (refused) {
            multiply(scaling.backoff());
        } else if (row >= scaling.interval()) {
            row = 0;
            multiply(scaling.growth());
        }
    }

    private void multiply(double factor) {
        float next = (float) (scale * factor);
        if (next >= Float.MIN_NORMAL && next <= Float.MAX_VALUE) {
            scale = next;
        }
    }
}
