package dev.gatun.cli.train;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Lets Ctrl-C (or a termination signal) end a run at the next step, with a checkpoint: the JVM waits in a shutdown
 * hook until the training thread has written it.
 */
final class StopRequest implements AutoCloseable {
    /** A checkpoint of the large model takes 0.3 s; longer than this and something is stuck. */
    private static final long PATIENCE_SECONDS = 60;

    private final CountDownLatch finished = new CountDownLatch(1);
    private final Thread hook = Thread.ofPlatform().name("gatun-stop").unstarted(this::stop);
    private volatile boolean requested;

    private StopRequest() {}

    static StopRequest onShutdown() {
        StopRequest request = new StopRequest();
        Runtime.getRuntime().addShutdownHook(request.hook);
        return request;
    }

    private void stop() {
        requested = true;
        try {
            if (!finished.await(PATIENCE_SECONDS, TimeUnit.SECONDS)) {
                System.err.println("gatun: the last step does not end; stopped without a checkpoint of it");
            }
        } catch (InterruptedException impatient) {
            Thread.currentThread().interrupt();
        }
    }

    /** Ends the run at the next step. */
    void request() {
        requested = true;
    }

    boolean requested() {
        return requested;
    }

    /** Everything that had to be written is: the JVM may go. */
    @Override
    public void close() {
        finished.countDown();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException shuttingDown) {
            // The hook runs; it ends by itself now.
        }
    }
}
