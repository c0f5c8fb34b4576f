package dev.gatun;

import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Prints what the copies of {@link HeapParameters} add to a step. Not a test: its name is none that a build runs.
 * {@code mvn -pl java/core -am test -Dtest=HeapCost -Dsurefire.failIfNoSpecifiedTests=false}
 */
class HeapCost {
    private static final int ROUNDS = 21;

    @Test
    void table() {
        System.out.println("| floats | step of AdamW, ns each | with arrays on the heap | ratio |");
        System.out.println("|---|---|---|---|");
        for (int length : new int[] {10_000, 1_000_000, 20_000_000}) {
            row(length);
        }
    }

    private static void row(int length) {
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cpu();
                HeapParameters heap = HeapParameters.builder()
                        .add("w", new float[length], new float[length])
                        .build()) {
            Tensor weight = Tensor.allocate(arena, DType.F32, length);
            try (Optimizer native_ = Optimizer.of(device, Adam.w(1e-3), List.of(Parameter.of("w", weight)));
                    Optimizer mirrored = Optimizer.of(device, Adam.w(1e-3), heap.parameters())) {
                native_.bindGradient(0, Tensor.allocate(arena, DType.F32, length));
                double[] plain = new double[ROUNDS];
                double[] copied = new double[ROUNDS];
                int repeats = Math.max(1, 2_000_000 / length);
                for (int round = -3; round < ROUNDS; round++) { // three to warm up
                    double a = time(repeats, native_::step) / length;
                    double b = time(repeats, () -> heap.step(mirrored)) / length;
                    plain[Math.max(0, round)] = a;
                    copied[Math.max(0, round)] = b;
                }
                Arrays.sort(plain);
                Arrays.sort(copied);
                double a = plain[ROUNDS / 2];
                double b = copied[ROUNDS / 2];
                System.out.printf("| %,d | %.3f | %.3f | %.2f |%n", length, a, b, b / a);
            }
        }
    }

    /** Nanoseconds for one. */
    private static double time(int repeats, Runnable step) {
        long start = System.nanoTime();
        for (int i = 0; i < repeats; i++) {
            step.run();
        }
        return (System.nanoTime() - start) / (double) repeats;
    }
}
