package dev.gatun;

/**
 * How masters become weights, by the definition of BF16 and F16: the two neighbours of a value, how far it is from each,
 * and the draws of native/rules/half.h, written once more.
 *
 * @param dtype of the weights
 * @param number of the tensor
 * @param groupStep steps the group has taken, this one included
 * @param fault null to do it right
 */
record ModelRounding(DType dtype, Rounding rounding, long seed, long number, long groupStep, Fault fault) {
    static ModelRounding of(Backend.Group group, Backend.Member member, long groupStep, Fault fault) {
        return new ModelRounding(group.dtype(), group.rounding(), group.seed(), member.number(), groupStep, fault);
    }

    /** The bits of the weight that a master becomes. */
    short round(double master, long element) {
        return (short) (rounding == Rounding.NEAREST ? nearest(master) : drawn(master, element));
    }

    private int mantissaBits() {
        return dtype == DType.BF16 ? 7 : 10;
    }

    private int infinity() {
        return 0x7fff >> mantissaBits() << mantissaBits();
    }

    /** The magnitude with these 15 bits, as if exponents went on beyond the finite ones. */
    private double magnitude(int bits) {
        int m = mantissaBits();
        int bias = (1 << 14 - m) - 1;
        int exponent = bits >> m;
        int mantissa = bits & (1 << m) - 1;
        return exponent == 0
                ? Math.scalb((double) mantissa, 1 - bias - m)
                : Math.scalb((double) (mantissa + (1 << m)), exponent - bias - m);
    }

    private int below(double magnitude) {
        int low = 0;
        int high = infinity();
        while (high - low > 1) {
            int middle = (low + high) / 2;
            if (magnitude(middle) <= magnitude) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return low;
    }

    private int nearest(double value) {
        int sign = Double.doubleToRawLongBits(value) < 0 ? 0x8000 : 0;
        double x = Math.abs(value);
        if (Double.isNaN(x) || Double.isInfinite(x)) {
            return Double.isNaN(x) ? 0x7fff : sign | infinity();
        }
        int low = below(x);
        double down = x - magnitude(low);
        double up = magnitude(low + 1) - x;
        boolean tie = fault == Fault.ROUNDS_HALF_UP || low % 2 == 1;
        return sign | low + (down > up || down == up && tie ? 1 : 0);
    }

    private int drawn(double value, long element) {
        double x = Math.abs(value);
        int low = Double.isFinite(x) ? below(x) : infinity();
        if (low + 1 >= infinity()) {
            return nearest(value);
        }
        int sign = Double.doubleToRawLongBits(value) < 0 ? 0x8000 : 0;
        double share = (x - magnitude(low)) / (magnitude(low + 1) - magnitude(low));
        long draw = Integer.toUnsignedLong(draw(element));
        boolean subnormal = dtype == DType.F16 && x < 0x1p-14;
        double bits = dtype == DType.BF16 ? 16 : 13;
        boolean up = subnormal
                ? draw < Math.floor(share * 0x1p32)
                : share * Math.pow(2, bits) + (draw >> (int) (32 - bits)) >= Math.pow(2, bits);
        return sign | low + (up ? 1 : 0);
    }

    private int draw(long element) {
        long golden = 0x9e3779b97f4a7c15L;
        long key = mix(seed + golden);
        key = mix(key + number + golden);
        key = mix(key + groupStep + golden);
        key = mix(key + (element >> 32) + golden);
        int x = (int) element ^ (int) key;
        x = (x ^ x >>> 17) * 0xed5ad4bb;
        x = (x ^ x >>> 11) * 0xac4c1b51 + (int) (key >>> 32);
        x = (x ^ x >>> 15) * 0x31848bab;
        return x ^ x >>> 14;
    }

    private static long mix(long z) {
        long x = (z ^ z >>> 30) * 0xbf58476d1ce4e5b9L;
        x = (x ^ x >>> 27) * 0x94d049bb133111ebL;
        return x ^ x >>> 31;
    }
}
