package dev.gatun;

import dev.gatun.bindings.GatunC;

/**
 * The type of a tensor's elements, in the machine's byte order. An optimizer computes in F32 or F64, and keeps its state
 * in that type: F64 for F64 weights, else F32.
 */
public enum DType {
    /** IEEE 754 binary32, a Java {@code float}. */
    F32(4, GatunC.GATUN_F32()),
    /** IEEE 754 binary64, a Java {@code double}. */
    F64(8, GatunC.GATUN_F64()),
    /** The upper half of an F32: its range, with 8 significant bits. For weights and gradients. */
    BF16(2, GatunC.GATUN_BF16()),
    /** IEEE 754 binary16: 11 significant bits, up to 65,504. For weights and gradients. */
    F16(2, GatunC.GATUN_F16());

    private final int bytes;
    private final int number;

    DType(int bytes, int number) {
        this.bytes = bytes;
        this.number = number;
    }

    /** Bytes of one element. */
    public int bytes() {
        return bytes;
    }

    /** The type in which weights of this type are updated, and which their state has. */
    public DType arithmetic() {
        return this == F64 ? F64 : F32;
    }

    /** Whether it is BF16 or F16: weights then have masters in F32. */
    public boolean isHalf() {
        return bytes == 2;
    }

    /** The type's number in the C ABI. */
    int number() {
        return number;
    }
}
