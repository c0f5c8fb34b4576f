package dev.gatun.peers;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * AdamW over one array per tensor, without any library. The threads get equal parts of all elements together: handing every
 * tensor over on its own costs 8 times as much on a network's many small ones.
 */
final class JavaPeer implements Peer {
    private final Problem problem;
    private final AdamW.Kernel kernel;
    private final float[][] w;
    private final float[][] g;
    private final float[][] m;
    private final float[][] v;
    private final List<List<Range>> parts;
    private final ExecutorService pool =
            Executors.newCachedThreadPool(Thread.ofPlatform().daemon().factory());
    private long steps;

    private record Range(int tensor, int from, int to) {}

    JavaPeer(Problem problem, AdamW.Kernel kernel) {
        this.problem = problem;
        this.kernel = kernel;
        int count = problem.tensors();
        w = new float[count][];
        g = new float[count][];
        m = new float[count][];
        v = new float[count][];
        for (int i = 0; i < count; i++) {
            w[i] = problem.weight(i);
            g[i] = problem.gradient(i);
            m[i] = new float[w[i].length];
            v[i] = new float[w[i].length];
        }
        parts = parts();
    }

    private List<List<Range>> parts() {
        List<List<Range>> all = new ArrayList<>();
        long parameters = problem.parameters();
        int tensor = 0;
        int at = 0;
        long done = 0;
        for (int t = 1; t <= problem.threads(); t++) {
            long end = parameters * t / problem.threads();
            List<Range> part = new ArrayList<>();
            while (done < end) {
                int to = (int) Math.min(w[tensor].length, at + end - done);
                part.add(new Range(tensor, at, to));
                done += to - at;
                at = to;
                if (at == w[tensor].length) {
                    tensor++;
                    at = 0;
                }
            }
            all.add(part);
        }
        return all;
    }

    @Override
    public void gradients() {
        // They are only read.
    }

    @Override
    public void step() {
        AdamW now = AdamW.at(++steps);
        List<CompletableFuture<Void>> others = new ArrayList<>();
        for (List<Range> part : parts.subList(1, parts.size())) {
            others.add(CompletableFuture.runAsync(() -> update(part, now), pool));
        }
        update(parts.getFirst(), now);
        others.forEach(CompletableFuture::join);
    }

    private void update(List<Range> part, AdamW now) {
        for (Range range : part) {
            int i = range.tensor();
            kernel.update(w[i], g[i], m[i], v[i], range.from(), range.to(), now);
        }
    }

    @Override
    public float[] weight(int tensor) {
        return w[tensor].clone();
    }

    @Override
    public void close() {
        pool.shutdown();
    }
}
