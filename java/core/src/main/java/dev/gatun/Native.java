package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.NativeLibrary;

/** The way into the native library: it is loaded first, and its statuses become exceptions. */
final class Native {
    private Native() {}

    /**
     * Loads the library if this has not happened yet.
     *
     * @throws DeviceUnavailableException with every place that was tried
     */
    static void ensureLoaded() {
        try {
            NativeLibrary.ensureLoaded();
        } catch (UnsatisfiedLinkError e) {
            throw new DeviceUnavailableException(e.getMessage(), e);
        }
    }

    /** Throws what a status stands for, with the message of this thread's last failure. */
    static void check(int status) {
        if (status != GatunC.GATUN_OK()) {
            throw failure(status);
        }
    }

    private static RuntimeException failure(int status) {
        String message = GatunC.gatun_last_error().getString(0);
        if (status == GatunC.GATUN_INVALID_ARGUMENT()) {
            return new IllegalArgumentException(message);
        }
        if (status == GatunC.GATUN_UNAVAILABLE()) {
            return new DeviceUnavailableException(message);
        }
        if (status == GatunC.GATUN_CUDA_ERROR()) {
            return new GatunException("CUDA error " + GatunC.gatun_last_code() + ": " + message);
        }
        return new GatunException(message);
    }
}
