package dev.gatun.cli;

import dev.gatun.Adam;
import dev.gatun.DType;
import dev.gatun.Decay;
import dev.gatun.Device;
import dev.gatun.Optimizer;
import dev.gatun.Parameter;
import dev.gatun.Rule;
import dev.gatun.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.IntConsumer;
import java.util.function.LongConsumer;

/**
 * Times optimizers on one list of tensors, in alternation with loops that move the same memory.
 *
 * <p>All optimizers work on the same weights and gradients and own their state. The loops work on flat arrays of their own, in
 * an optimizer's passes: first as many arrays are only read as it must read before it may write (for SING the gradient, for LAMB
 * everything), then as many as it has tensors per parameter (weight, gradient, state) are read, and all written but the gradient;
 * look-ahead's slow weights, which move every k-th step only, are not among them. With weights and gradients of BF16 or F16 the
 * second pass has as many F32 arrays as masters and state, and one of half their length, which is as much as a gradient read and a
 * weight written; that a processor reads what it is about to overwrite is not allowed for. Where the bytes still differ (PNM
 * writes one of its momenta only) the loop's time is scaled by the bytes. An optimizer whose tensors stay in cache from the first
 * pass to the second can be faster than its loop, which has one long tensor.
 */
final class Benchmark implements AutoCloseable {
    private static final long ALIGNMENT = 64;

    /** A peer's steps in the rounds of a list take no longer than about this, 8 s, if {@link #FEWEST} rounds do not. */
    private static final long PEER_NANOS = 8_000_000_000L;

    private static final int FEWEST = 3;

    private final TensorList list;
    private final Device device;
    private final DType dtype;
    private final Arena arena = Arena.ofShared(); // the copy's threads read it
    private final Placement placement;
    private final ExecutorService copiers =
            Executors.newCachedThreadPool(Thread.ofPlatform().daemon().factory());
    private final List<Contender> contenders = new ArrayList<>();
    private final List<Variant> variants;
    private Tensor hostWeights;
    private Tensor weights;
    private int copy;

    /** How many arrays an optimizer reads before it writes anything, and how many it then goes through. */
    private record Passes(int before, int arrays) {
        double words() {
            return before + 2 * arrays - 1;
        }
    }

    /** A rule with or without the finite check. */
    record Variant(Rule rule, boolean checkFinite) {
        /** Weight, gradient and state that move at every step. */
        int arrays() {
            return 2
                    + (int) rule.slots().stream()
                            .filter(slot -> !slot.startsWith("slow"))
                            .count();
        }

        /** With a half type the bytes of the first pass are not whole arrays; the loop's time is scaled instead. */
        Passes passes(DType dtype) {
            double before = rule.bytesPerParameter(dtype, checkFinite) / dtype.bytes() - (2 * arrays() - 1);
            return new Passes(dtype != dtype.arithmetic() ? 0 : (int) Math.max(0, Math.round(before)), arrays());
        }

        boolean isAdamW() {
            return rule instanceof Adam adam
                    && adam.decay() == Decay.DECOUPLED
                    && !adam.amsgrad()
                    && adam.softplus() == 0;
        }
    }

    /** @param variants the first is the reference that the others' ratio is taken to */
    Benchmark(TensorList list, List<Variant> variants, Device device, DType dtype) {
        this.list = list;
        this.variants = variants;
        this.device = device;
        this.dtype = dtype;
        this.placement = new Placement(device);
    }

    /** Memory that a run takes: weights, gradients, state, and the loops' arrays. */
    static long bytes(TensorList list, List<Variant> variants, DType dtype) {
        long arrays = 2;
        int flat = 2;
        for (Variant variant : variants) {
            arrays += variant.rule.slots().size();
            flat = Math.max(flat, Math.max(variant.passes(dtype).before(), variant.arrays()));
        }
        long wide = dtype.arithmetic().bytes();
        long masters = dtype == dtype.arithmetic() ? 0 : variants.size() * wide;
        return ((arrays - 2 + flat) * wide + 2L * dtype.bytes() + masters) * list.parameters();
    }

    /** Times the variants; afterwards {@link #run(Peer, int, Progress)} can be called. */
    List<BenchResult> run(int rounds, Progress progress) {
        progress.stage(list.name() + ": preparing " + list.parameters() + " parameters in "
                + list.shapes().size() + " tensors");
        prepare();
        Rounds times = Rounds.time(contenders, rounds, told(progress, list.name(), rounds));
        checkWork();
        List<BenchResult> results = new ArrayList<>();
        for (int i = 0; i < variants.size(); i++) {
            results.add(result(i, times, rounds));
        }
        return results;
    }

    private static IntConsumer told(Progress progress, String what, int rounds) {
        return round -> progress.update(what
                + (round < Rounds.WARM_UP
                        ? ": warming up, round " + (round + 1) + " of " + Rounds.WARM_UP
                        : ": round " + (round - Rounds.WARM_UP + 1) + " of " + rounds));
    }

    private BenchResult result(int i, Rounds times, int rounds) {
        return result(contenders, i, times, rounds, null, null);
    }

    private BenchResult result(
            List<Contender> timed, int i, Rounds times, int rounds, String peer, Double ratioToGatun) {
        Contender contender = timed.get(i);
        Contender loop = timed.get(contender.partner());
        double parameters = list.parameters();
        double nanos = times.medianNanos(i);
        return new BenchResult(
                contender.rule().toString(),
                list.name(),
                list.parameters(),
                list.shapes().size(),
                device.threads(),
                DeviceOptions.word(device.kind()),
                DeviceOptions.word(dtype),
                contender.checkFinite(),
                contender.bytes(),
                nanos / parameters,
                contender.bytes() * parameters / nanos,
                times.ratio(contender.partner(), i) * contender.bytes() / loop.bytes(),
                times.ratio(i, 0),
                loop.bytes() * parameters / times.medianNanos(contender.partner()),
                contenders.get(copy).bytes() * parameters / times.medianNanos(timed.indexOf(contenders.get(copy))),
                rounds,
                peer,
                ratioToGatun);
    }

    /**
     * Times a peer in alternation with AdamW, its counterpart, the counterpart's loop and the copy. One peer at a time, so
     * that memory holds one; a slow one gets fewer rounds.
     */
    BenchResult run(Peer peer, int rounds, Progress progress) throws IOException {
        progress.stage(list.name() + ": preparing " + peer.name());
        int counterpart = variants.indexOf(new Variant(peer.rule(), false));
        Contender gatun = contenders.get(counterpart);
        try (PeerProcess process = new PeerProcess(peer, list, device.threads())) {
            process.step(1);
            int enough = Math.clamp(PEER_NANOS / Math.max(1, process.step(1)), Math.min(FEWEST, rounds), rounds);
            List<Contender> timed = new ArrayList<>(
                    List.of(contenders.getFirst(), gatun, contenders.get(gatun.partner()), contenders.get(copy)));
            timed.add(new Contender(peer.rule(), null, false, gatun.bytes(), 2, repeats -> {
                try {
                    return process.step(repeats);
                } catch (IOException ended) {
                    throw new UncheckedIOException(ended);
                }
            }));
            Rounds times = Rounds.time(timed, enough, told(progress, list.name() + ", " + peer.name(), enough));
            process.check();
            checkWork();
            return result(timed, 4, times, enough, peer.name(), times.ratio(4, 1));
        } catch (UncheckedIOException ended) {
            throw ended.getCause();
        }
    }

    private void prepare() {
        SplittableRandom random = new SplittableRandom(20240623); // any seed: times do not depend on the values
        hostWeights = filled(random, 0.05);
        weights = placement.place(hostWeights);
        Tensor gradients = placement.place(filled(random, 1e-3));
        List<Parameter> parameters = new ArrayList<>();
        List<Tensor> views = views(weights);
        for (int i = 0; i < views.size(); i++) {
            parameters.add(Parameter.of("tensor" + i, views.get(i)));
        }
        Map<Passes, Integer> loops = new LinkedHashMap<>(); // index among the contenders
        for (Variant variant : variants) {
            loops.putIfAbsent(variant.passes(dtype), variants.size() + loops.size());
        }
        for (Variant variant : variants) {
            Optimizer optimizer = Optimizer.builder(device)
                    .group(variant.rule, parameters)
                    .checkFinite(variant.checkFinite)
                    .build();
            contenders.add(new Contender(
                    variant.rule,
                    optimizer,
                    variant.checkFinite,
                    variant.rule.bytesPerParameter(dtype, variant.checkFinite),
                    loops.get(variant.passes(dtype)),
                    Contender.clocked(
                            repeats -> {
                                for (long r = 0; r < repeats; r++) {
                                    optimizer.step();
                                }
                            },
                            device::synchronize)));
            optimizer.bindGradients(views(gradients));
        }
        prepareLoops(loops.keySet());
    }

    private void prepareLoops(Collection<Passes> loops) {
        List<MemorySegment> arrays = new ArrayList<>();
        DType wide = dtype.arithmetic();
        int most = loops.stream()
                .mapToInt(loop -> Math.max(loop.before(), loop.arrays()))
                .max()
                .orElse(0);
        for (int i = 0; i < Math.max(2, most); i++) {
            arrays.add(placement
                    .place(Tensor.allocate(arena, wide, list.parameters()))
                    .memory());
        }
        for (Passes loop : loops) {
            int count = loop.arrays();
            List<MemorySegment> moved = arrays.subList(0, count);
            if (wide == dtype) {
                List<MemorySegment> first = arrays.subList(0, loop.before());
                contenders.add(loop(loop.words() * wide.bytes(), repeats -> {
                    for (long r = 0; r < repeats; r++) {
                        if (!first.isEmpty()) {
                            device.traffic(first, 0, list.parameters(), wide);
                        }
                        device.traffic(moved, count - 1, list.parameters(), wide);
                    }
                }));
                continue;
            }
            List<MemorySegment> masters = moved.subList(0, count - 1);
            List<MemorySegment> halves = moved.subList(count - 1, count);
            contenders.add(loop(2 * (count - 1) * wide.bytes() + 2 * dtype.bytes(), repeats -> {
                for (long r = 0; r < repeats; r++) {
                    device.traffic(masters, masters.size(), list.parameters(), wide);
                    device.traffic(halves, 1, list.parameters() / 2, wide);
                }
            }));
        }
        copy = contenders.size();
        contenders.add(loop(2 * wide.bytes(), copy(arrays.get(0), arrays.get(1))));
    }

    private Contender loop(double bytes, LongConsumer work) {
        return Contender.loop(bytes, work, device::synchronize);
    }

    /** A plain copy of an array, by as many threads as the optimizers have. */
    private LongConsumer copy(MemorySegment target, MemorySegment source) {
        if (device.kind() != Device.Kind.CPU) {
            return repeats -> {
                for (long r = 0; r < repeats; r++) {
                    device.copy(target, source);
                }
            };
        }
        int threads = device.threads();
        long pages = Math.ceilDiv(source.byteSize(), 4096);
        return repeats -> {
            for (long r = 0; r < repeats; r++) {
                List<CompletableFuture<Void>> others = new ArrayList<>();
                for (int t = 0; t < threads; t++) {
                    long begin = Math.min(source.byteSize(), pages * t / threads * 4096);
                    long end = Math.min(source.byteSize(), pages * (t + 1) / threads * 4096);
                    Runnable part = () -> MemorySegment.copy(source, begin, target, begin, end - begin);
                    if (t < threads - 1) {
                        others.add(CompletableFuture.runAsync(part, copiers));
                    } else {
                        part.run();
                    }
                }
                others.forEach(CompletableFuture::join);
            }
        };
    }

    /** One flat tensor with room for the whole list, every tensor aligned, with values between -size and size. */
    private Tensor filled(SplittableRandom random, double size) {
        long elements = 0;
        for (long[] shape : list.shapes()) {
            elements += aligned(TensorList.elements(shape));
        }
        Tensor tensor = Tensor.of(arena.allocate(elements * dtype.bytes(), ALIGNMENT), dtype, elements);
        for (long i = 0; i < elements; i++) {
            tensor.set(i, random.nextDouble(-size, size));
        }
        return tensor;
    }

    private List<Tensor> views(Tensor flat) {
        List<Tensor> views = new ArrayList<>();
        long at = 0;
        for (long[] shape : list.shapes()) {
            long elements = TensorList.elements(shape);
            MemorySegment slice = flat.memory().asSlice(at * dtype.bytes(), elements * dtype.bytes());
            views.add(new Tensor(slice, dtype, flat.location(), shape));
            at += aligned(elements);
        }
        return views;
    }

    private long aligned(long elements) {
        long unit = ALIGNMENT / dtype.bytes();
        return Math.ceilDiv(elements, unit) * unit;
    }

    /** A time counts only if the work was done: no step refused, every weight still a number. */
    private void checkWork() {
        for (Contender contender : contenders) {
            if (contender.optimizer() != null && contender.optimizer().report().skipped()) {
                throw new IllegalStateException(contender.rule() + " on " + list.name() + " refused its last step: "
                        + contender.optimizer().report().reason() + "; its time means nothing");
            }
        }
        placement.download(weights, hostWeights);
        for (long i = 0; i < hostWeights.length(); i++) {
            if (!Double.isFinite(hostWeights.get(i))) {
                throw new BadInput("--lists " + list.name() + ": weight " + i + " became " + hostWeights.get(i)
                        + " while timing; pass a smaller learning rate");
            }
        }
    }

    @Override
    public void close() {
        for (Contender contender : contenders) {
            if (contender.optimizer() != null) {
                contender.optimizer().close();
            }
        }
        copiers.shutdown();
        placement.close();
        arena.close();
    }
}
