package dev.gatun;

import org.junit.jupiter.api.Assumptions;

/**
 * The device under test. {@code -Dgatun.test.device=cuda} runs what is tagged {@code device} or {@code cuda} on CUDA
 * device 0: a GPU, or the emulated one where {@code gatun.library.path} has that. Without it everything but
 * {@code cuda} runs on the CPU.
 */
final class TestDevice {
    private static final String NAME = System.getProperty("gatun.test.device", "cpu");

    private TestDevice() {}

    static boolean isCuda() {
        return switch (NAME) {
            case "cpu" -> false;
            case "cuda" -> true;
            default ->
                throw new IllegalArgumentException("gatun.test.device must be cpu or cuda, and is '" + NAME + "'");
        };
    }

    /** Opens it. */
    static Device open(int cpuThreads) {
        return isCuda() ? Device.cuda(0) : Device.cpu(cpuThreads);
    }

    /** Whether it is the emulated GPU, which is slow: tests then take small shapes. */
    static boolean isEmulated() {
        return isCuda() && Emulated.IS;
    }

    private static final class Emulated {
        static final boolean IS = CudaRuntime.emulator() != null;
    }

    /** Builds it; a rule that this version computes on the CPU only cannot be tested on a GPU. */
    static Optimizer build(OptimizerBuilder builder) {
        try {
            return builder.build();
        } catch (DeviceUnavailableException e) {
            throw skipped(e);
        }
    }

    /** Runs a test, which may ask a GPU for what this version does on the CPU only: then it is skipped. */
    static void run(Runnable test) {
        try {
            test.run();
        } catch (DeviceUnavailableException e) {
            throw skipped(e);
        }
    }

    private static DeviceUnavailableException skipped(DeviceUnavailableException e) {
        Assumptions.assumeFalse(isCuda() && e.getMessage().contains("on the CPU only"), e.getMessage());
        return e;
    }
}
