package dev.gatun.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * A peer at work in a process of its own: two frameworks in one disturb each other, and this one must load none. It times
 * its steps itself, so that the pipe between the processes is not in them.
 */
final class PeerProcess implements AutoCloseable {
    /** The class path of bench/peers, which the gatun script sets. */
    static final String CLASS_PATH = "gatun.peers";

    /** Heap for four arrays of floats and a copy of one, and for the framework: half a GB. */
    private static final long HEAP_PER_PARAMETER = 24;

    private static final long HEAP = 512L << 20;

    private final Peer peer;
    private final Path errors;
    private final Process process;
    private final PrintWriter orders;
    private final BufferedReader answers;

    PeerProcess(Peer peer, TensorList list, int threads) throws IOException {
        this.peer = peer;
        errors = Files.createTempFile("gatun-peer", ".log");
        ProcessBuilder builder = new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx" + (HEAP + HEAP_PER_PARAMETER * list.parameters()),
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow", // ND4J's
                "-Dorg.bytedeco.javacpp.maxbytes=0", // no limit: ND4J's would be the heap's
                "-Dorg.bytedeco.javacpp.maxphysicalbytes=0",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
                "-cp",
                System.getProperty(CLASS_PATH),
                "dev.gatun.peers.PeerProcess");
        builder.environment().put("DJL_OFFLINE", "true");
        builder.environment().put("OMP_NUM_THREADS", Integer.toString(threads));
        // Threads that wait for their next step must not take the processor from the others' steps.
        builder.environment().put("OMP_WAIT_POLICY", "passive");
        builder.environment().putAll(peer.environment());
        process = builder.redirectError(errors.toFile()).start();
        orders = new PrintWriter(process.getOutputStream(), true, StandardCharsets.UTF_8);
        answers = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        try {
            orders.println(peer.name() + " " + threads + " " + list.shapes().size());
            for (long[] shape : list.shapes()) {
                orders.println(Arrays.stream(shape).mapToObj(Long::toString).collect(Collectors.joining(",")));
            }
            expect("ready");
        } catch (IOException failed) {
            close();
            throw failed;
        }
    }

    /** Takes so many steps and says how many nanoseconds they took. */
    long step(long count) throws IOException {
        orders.println("step " + count);
        return Long.parseLong(expect("nanos ").substring("nanos ".length()));
    }

    /** Throws unless every tensor has changed and is still finite. */
    void check() throws IOException {
        orders.println("check");
        expect("ok");
    }

    private String expect(String beginning) throws IOException {
        String answer = answers.readLine();
        if (answer != null && answer.startsWith(beginning)) {
            return answer;
        }
        throw new IOException(peer.name() + (answer == null ? " ended: " + lastError() : " answered " + answer));
    }

    /** What it died of, for people: the line with the exception, else the last line. */
    private String lastError() throws IOException {
        List<String> lines = new ArrayList<>(Files.readAllLines(errors, StandardCharsets.ISO_8859_1));
        lines.removeIf(String::isBlank);
        return lines.stream()
                .filter(line -> line.contains("Exception") || line.contains("Error"))
                .findFirst()
                .orElse(lines.isEmpty() ? "it said nothing" : lines.getLast());
    }

    @Override
    public void close() {
        orders.close(); // the end of its orders ends it
        try {
            if (!process.waitFor(10, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
            Files.deleteIfExists(errors);
        } catch (InterruptedException interrupted) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        } catch (IOException leftBehind) {
            // A file in the folder for temporary files.
        }
    }
}
