package dev.gatun.peers;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A peer in a process of its own, which takes orders on standard input until that ends: two frameworks in one process
 * disturb each other's threads, and each wants its own environment.
 *
 * <pre>
 * NAME THREADS TENSORS, then a line like 64,3,7,7 for each tensor     ready
 * step N                                                             nanos TOTAL    of N steps, without what is between them
 * check                                                              ok, or: failed REASON
 * </pre>
 */
public final class PeerProcess {
    /** Often enough that a first moment without gradients does not decay into denormals: .9^50 = .005. */
    private static final int STEPS_PER_GRADIENT = 50;

    private final BufferedReader in;
    private final PrintStream out;
    private long steps;

    PeerProcess(Reader in, PrintStream out) {
        this.in = new BufferedReader(in);
        this.out = out;
    }

    public static void main(String[] arguments) throws IOException {
        PrintStream answers = System.out;
        System.setOut(System.err); // what libraries print is no answer
        new PeerProcess(new InputStreamReader(System.in, StandardCharsets.UTF_8), answers).run();
        System.exit(0); // whatever threads a framework left
    }

    void run() throws IOException {
        String[] head = in.readLine().split(" ");
        List<long[]> shapes = new ArrayList<>();
        for (int i = 0; i < Integer.parseInt(head[2]); i++) {
            shapes.add(Arrays.stream(in.readLine().split(","))
                    .mapToLong(Long::parseLong)
                    .toArray());
        }
        Problem problem = new Problem(shapes, Integer.parseInt(head[1]));
        try (Peer peer = Peer.of(head[0], problem)) {
            peer.gradients();
            answer("ready");
            for (String order = in.readLine(); order != null; order = in.readLine()) {
                answer(order.equals("check") ? check(peer, problem) : step(peer, Long.parseLong(order.substring(5))));
            }
        }
    }

    private void answer(String line) {
        out.println(line);
        out.flush();
    }

    private String step(Peer peer, long count) {
        long nanos = 0;
        for (long done = 0; done < count; ) {
            long until = Math.min(count, done + STEPS_PER_GRADIENT - steps % STEPS_PER_GRADIENT);
            long start = System.nanoTime();
            for (; done < until; done++, steps++) {
                peer.step();
            }
            nanos += System.nanoTime() - start;
            if (steps % STEPS_PER_GRADIENT == 0) {
                peer.gradients();
            }
        }
        return "nanos " + nanos;
    }

    /** A time counts only if the work was done. */
    private String check(Peer peer, Problem problem) {
        for (int i = 0; i < problem.tensors(); i++) {
            float[] before = problem.weight(i);
            float[] after = peer.weight(i);
            for (float weight : after) {
                if (!Float.isFinite(weight)) {
                    return "failed: tensor " + i + " has a weight of " + weight + " after " + steps + " steps";
                }
            }
            long[] shape = problem.shapes().get(i);
            boolean column = shape.length >= 2 && shape[0] == before.length; // SING's centering leaves nothing of one
            if (steps > 0 && !column && Arrays.equals(before, after)) {
                return "failed: tensor " + i + " is what it was before " + steps + " steps";
            }
        }
        return "ok";
    }
}
