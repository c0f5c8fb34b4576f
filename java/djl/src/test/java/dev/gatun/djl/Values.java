package dev.gatun.djl;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.index.NDIndex;

/** Writes into arrays of DJL. */
final class Values {
    private Values() {}

    /**
     * Writes where the array is. {@code array.set(float[])} and {@code copyTo(array)} put it into the memory of a Java buffer
     * instead, which for the former nobody keeps: the next garbage collection frees it under PyTorch's hands.
     */
    static void fill(NDArray array, float... values) {
        try (NDArray source = array.getManager().create(values, array.getShape())) {
            array.set(new NDIndex(":"), source);
        }
    }
}
