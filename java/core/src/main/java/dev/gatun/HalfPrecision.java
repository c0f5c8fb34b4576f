package dev.gatun;

/** Values of {@link DType#BF16} and {@link DType#F16}, which Java keeps in a {@code short}. */
final class HalfPrecision {
    private HalfPrecision() {}

    static float toFloat(DType dtype, short half) {
        return dtype == DType.BF16 ? Float.intBitsToFloat(half << 16) : Float.float16ToFloat(half);
    }

    /** Rounds once, from all the digits of the double, to nearest and ties to even. */
    static short of(DType dtype, double value) {
        float odd = toOdd(value);
        return dtype == DType.BF16 ? toBf16(odd) : Float.floatToFloat16(odd);
    }

    /**
     * The double cut to a float, with its last bit set where something was cut off: rounding that to fewer bits gives
     * what rounding the double gives (Boldo and Melquiond, "When double rounding is odd", 2004).
     */
    private static float toOdd(double value) {
        float near = (float) value;
        if (near == value || Double.isNaN(value)) {
            return near;
        }
        float cut = Math.abs((double) near) > Math.abs(value) ? Math.nextAfter(near, 0.0) : near;
        return Float.intBitsToFloat(Float.floatToRawIntBits(cut) | 1);
    }

    private static short toBf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        if (Float.isNaN(value)) {
            return (short) (bits >> 16 | 0x40);
        }
        return (short) (bits + 0x7fff + (bits >> 16 & 1) >> 16);
    }
}
