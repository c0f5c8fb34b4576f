package dev.gatun;

import dev.gatun.bindings.GatunC;

/** The type of a tensor's elements, in the machine's byte order. An optimizer's state has the type of its weights. */
public enum DType {
    /** IEEE 754 binary32, a Java {@code float}. */
    F32(4, GatunC.GATUN_F32()),
    /** IEEE 754 binary64, a Java {@code double}. */
    F64(8, GatunC.GATUN_F64());

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

    /** The type's number in the C ABI. */
    int number() {
        return number;
    }
}
