package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.NativeLibrary;
import dev.gatun.bindings.gatun_context_options;
import dev.gatun.bindings.gatun_device_info;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Cleaner;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Where steps are computed: this machine's CPU with a number of threads, or a CUDA device. A handle: close it when the
 * optimizers on it are closed. All devices compute the same bits.
 *
 * <p>Devices may be used from any thread; the calls of one device wait for each other.
 *
 * <h2>What happens when</h2>
 *
 * <p>On the CPU, everything has happened when its call returns. A CUDA device has one stream, its own or the caller's
 * ({@link #cuda(int, MemorySegment)}), and everything asked of the device happens on it, in the order in which it was
 * asked for:
 *
 * <ul>
 *   <li>{@link #copy}, {@link Optimizer#step}, {@link Optimizer#prepareReplay} and the binding of gradients return
 *       before it has happened. Two of them need no waiting in between: a copy that follows a step reads what the step
 *       has written.
 *   <li>{@link #synchronize} waits, and so do all that give the host something to look at or take memory away:
 *       {@link Optimizer#report}, {@link Optimizer#stepsTaken}, {@link Optimizer#save}, {@link Optimizer#load},
 *       {@link Mirror#step}, {@link #allocate}, building and closing an optimizer, closing memory or the device.
 *   <li>The source of a copy may be written again when the call returns, unless it is pinned ({@link #allocatePinned})
 *       or the device's: then after {@link #synchronize}. What a copy brings to the host may be read after
 *       {@link #synchronize}.
 *   <li>Whoever works with the same memory on another stream has to wait between the two, with an event or
 *       {@link #synchronize}. A framework whose stream this device shares need not.
 * </ul>
 *
 * <p>A failure of the GPU can come to light at any later call. An optimizer that was told of one stops for good and
 * says why at every use; close it, its memory and the device, and go on from a checkpoint with new ones.
 */
public final class Device implements AutoCloseable {
    /** The kinds of devices, and of memory. */
    public enum Kind {
        /** Host memory and the CPU. */
        CPU,
        /** An NVIDIA GPU and its memory. */
        CUDA
    }

    /** The instruction sets of the CPU backend, which all give the same bits. */
    public enum Isa {
        /** One element at a time: for comparison only. */
        SCALAR,
        /** AVX2 and FMA. */
        AVX2,
        /** AVX-512 F, VL, DQ and BW. */
        AVX512;

        /**
         * Reads {@code scalar}, {@code avx2} or {@code avx512}.
         *
         * @throws IllegalArgumentException for another word
         */
        public static Isa parse(String name) {
            for (Isa isa : values()) {
                if (isa.name().equals(name.toUpperCase(Locale.ROOT))) {
                    return isa;
                }
            }
            throw new IllegalArgumentException("isa must be scalar, avx2 or avx512, and is '" + name + "'");
        }
    }

    static final Cleaner CLEANER = Cleaner.create();
    private static final System.Logger LOG = System.getLogger("dev.gatun");
    /** Ten times the oldest compute capability that native/CMakeLists.txt builds for. */
    private static final int LEAST_CAPABILITY = 80;

    private final Kind kind;
    private final Context context;
    private final Cleaner.Cleanable cleanable;
    private final String whyNotCuda;
    private final String name;
    private final int threads;
    private final Isa isa;
    private final long memoryBytes;

    private Device(Kind kind, int ordinal, int threads, Isa isa, MemorySegment stream, String whyNotCuda) {
        this.kind = kind;
        this.whyNotCuda = whyNotCuda;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment options = gatun_context_options.allocate(arena);
            gatun_context_options.backend(options, kind == Kind.CPU ? GatunC.GATUN_CPU() : GatunC.GATUN_CUDA());
            gatun_context_options.ordinal(options, ordinal);
            gatun_context_options.threads(options, threads);
            gatun_context_options.isa(options, isa == null ? GatunC.GATUN_ISA_AUTO() : isa.ordinal() + 1);
            gatun_context_options.stream(options, stream);
            MemorySegment pointer = arena.allocate(ValueLayout.ADDRESS);
            Native.check(GatunC.gatun_context_create(options, pointer));
            Context created = new Context(pointer.get(ValueLayout.ADDRESS, 0), kind);
            MemorySegment info = gatun_device_info.allocate(arena);
            try {
                Native.check(GatunC.gatun_context_info(created.pointer(), info));
                if (kind == Kind.CUDA) {
                    requireCapability(ordinal, info);
                }
            } catch (RuntimeException e) {
                created.close();
                throw e;
            }
            this.name = gatun_device_info.name(info).getString(0);
            this.threads = gatun_device_info.threads(info);
            this.isa = kind == Kind.CPU ? Isa.values()[gatun_device_info.isa(info) - 1] : null;
            this.memoryBytes = gatun_device_info.memory_bytes(info);
            this.context = created;
            this.cleanable = CLEANER.register(this, created::close);
        }
    }

    /** The kernels are built for Ampere and later; an older card would only fail at the first step. */
    private static void requireCapability(int ordinal, MemorySegment info) {
        int capability = gatun_device_info.isa(info);
        if (capability < LEAST_CAPABILITY) {
            throw new DeviceUnavailableException("CUDA device " + ordinal + ", "
                    + gatun_device_info.name(info).getString(0) + ", has compute capability " + capability / 10 + "."
                    + capability % 10 + ", and 8.0 or newer is needed: use another GPU or the CPU");
        }
    }

    /**
     * The CPU, with the threads of {@code GATUN_THREADS} or all, and the instruction set of {@code GATUN_ISA} or the
     * best.
     */
    public static Device cpu() {
        return cpu(0, null);
    }

    /** The CPU with a number of threads; 0 for the default. */
    public static Device cpu(int threads) {
        return cpu(threads, null);
    }

    /**
     * The CPU with a number of threads and an instruction set.
     *
     * @param threads 0 for the default
     * @param isa null for the default
     * @throws DeviceUnavailableException if this CPU or operating system does not support it
     */
    public static Device cpu(int threads, Isa isa) {
        Check.atLeast("threads", threads, 0);
        Native.ensureLoaded();
        return new Device(Kind.CPU, 0, threads, isa, MemorySegment.NULL, null);
    }

    /**
     * A CUDA device by its number, with a stream of its own.
     *
     * @throws DeviceUnavailableException with the reason, if it cannot be opened
     */
    public static Device cuda(int ordinal) {
        return cuda(ordinal, MemorySegment.NULL);
    }

    /**
     * A CUDA device on a stream of the caller's, for instance the one that a framework computes gradients on: steps take
     * their turn among the framework's work, and nobody waits. The stream stays the caller's and must outlive the
     * device and all that is made on it.
     *
     * @param stream a {@code cudaStream_t} or {@code CUstream} of that device; NULL for a stream of its own
     * @throws DeviceUnavailableException with the reason, if it cannot be opened
     */
    public static Device cuda(int ordinal, MemorySegment stream) {
        Check.atLeast("ordinal", ordinal, 0);
        Check.notNull("stream", stream);
        CudaStatus status = cudaStatus();
        if (status.reason() != null) {
            throw new DeviceUnavailableException("CUDA device " + ordinal + " cannot be used: " + status.reason());
        }
        if (ordinal >= status.devices()) {
            throw new DeviceUnavailableException("there is no CUDA device " + ordinal + ": this machine has "
                    + status.devices() + ", counted from 0");
        }
        return new Device(Kind.CUDA, ordinal, 0, null, stream, null);
    }

    /** CUDA device 0 if it can be opened, else the CPU; then the log and {@link #whyNotCuda} say why. */
    public static Device best() {
        String reason = cudaStatus().reason();
        if (reason == null) {
            try {
                return cuda(0);
            } catch (GatunException e) {
                reason = e.getMessage();
            }
        }
        LOG.log(System.Logger.Level.INFO, "Gatun computes on the CPU, not on a GPU: " + reason);
        return new Device(Kind.CPU, 0, 0, null, MemorySegment.NULL, reason);
    }

    /** What is known of CUDA here, and why it cannot be used if it cannot. */
    public static CudaStatus cudaStatus() {
        Native.ensureLoaded();
        Path library = NativeLibrary.cudaPath();
        Optional<String> missing = NativeLibrary.whyNoCuda();
        if (missing.isPresent()) {
            return new CudaStatus(0, null, null, library, missing.get());
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment numbers = arena.allocate(ValueLayout.JAVA_INT, 3);
            String driver = null;
            String runtime = null;
            try {
                Native.check(GatunC.gatun_cuda_open(arena.allocateFrom(library.toString())));
                Native.check(GatunC.gatun_cuda_versions(numbers, numbers.asSlice(4)));
                driver = version(numbers.getAtIndex(ValueLayout.JAVA_INT, 0));
                runtime = version(numbers.getAtIndex(ValueLayout.JAVA_INT, 1));
                Native.check(GatunC.gatun_cuda_device_count(numbers.asSlice(8)));
            } catch (GatunException e) {
                return new CudaStatus(0, driver, runtime, library, e.getMessage());
            }
            int devices = numbers.getAtIndex(ValueLayout.JAVA_INT, 2);
            return new CudaStatus(
                    devices, driver, runtime, library, devices > 0 ? null : "the driver has no CUDA device");
        }
    }

    /** 13000 is 13.0; 0 means none. */
    private static String version(int number) {
        return number == 0 ? null : number / 1000 + "." + number % 1000 / 10;
    }

    /** CPU or CUDA. */
    public Kind kind() {
        return kind;
    }

    /** The processor's name. */
    public String name() {
        return name;
    }

    /** CPU: threads of a step. CUDA: multiprocessors. */
    public int threads() {
        return threads;
    }

    /** The instruction set in use; null on CUDA. */
    public Isa isa() {
        return isa;
    }

    /** The device's memory in bytes. */
    public long memoryBytes() {
        return memoryBytes;
    }

    /**
     * Bytes in use that were allocated through this device: {@link #allocate}, {@link #allocatePinned}, and the state of
     * the optimizers on it.
     */
    public long allocatedBytes() {
        return context.memory();
    }

    /** If {@link #best} made this device and CUDA was not it: why. */
    public Optional<String> whyNotCuda() {
        return Optional.ofNullable(whyNotCuda);
    }

    /**
     * Zeroed memory of the device, aligned to 256 bytes. The caller closes it. One block with many tensors in it is
     * better than many blocks: a step asks every block whether it is still there.
     *
     * @throws GatunException if there is not that much left
     */
    public DeviceMemory allocate(long bytes) {
        Check.atLeast("bytes", bytes, 0);
        return new DeviceMemory(context, bytes, false);
    }

    /**
     * Zeroed host memory that the device copies from and to by itself, while the host goes on; aligned to 256 bytes.
     * Scarce: the operating system cannot move it. On the CPU, plain memory. The caller closes it.
     *
     * @throws GatunException if there is not that much left
     */
    public DeviceMemory allocatePinned(long bytes) {
        Check.atLeast("bytes", bytes, 0);
        return new DeviceMemory(context, bytes, true);
    }

    /**
     * Copies between segments of the same size, each in host or device memory. The copy takes its turn after what the
     * device was asked to do before; for when it has happened see above.
     *
     * @throws IllegalArgumentException if the sizes differ, or the destination is read-only
     * @throws IllegalStateException if the device or a segment's memory is closed
     */
    public void copy(MemorySegment destination, MemorySegment source) {
        if (destination.byteSize() != source.byteSize()) {
            throw new IllegalArgumentException("destination has " + destination.byteSize() + " bytes and source has "
                    + source.byteSize() + ": they must be equal");
        }
        if (destination.isReadOnly()) {
            throw new IllegalArgumentException("destination is read-only");
        }
        synchronized (context) {
            context.requireOpen();
            Native.check(GatunC.gatun_memory_copy(context.pointer(), destination, source, source.byteSize()));
        }
    }

    /** Waits until everything asked of the device has happened. */
    public void synchronize() {
        synchronized (context) {
            context.requireOpen();
            Native.check(GatunC.gatun_context_synchronize(context.pointer()));
        }
    }

    /**
     * Moves memory as a step does, and computes next to nothing: the limit that a step is measured against. Reads all
     * arrays and writes back the first {@code written}; the values keep their bits.
     *
     * @param length elements of each array
     */
    public void traffic(List<MemorySegment> arrays, int written, long length, DType dtype) {
        if (written < 0 || written > arrays.size()) {
            throw new IllegalArgumentException("written must be from 0 to " + arrays.size() + ", and is " + written);
        }
        long bytes = Math.multiplyExact(Check.atLeast("length", length, 0), dtype.bytes());
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pointers = arena.allocate(ValueLayout.ADDRESS, arrays.size());
            for (int i = 0; i < arrays.size(); i++) {
                MemorySegment array = arrays.get(i);
                if (array.byteSize() < bytes || !array.isNative()) {
                    throw new IllegalArgumentException("arrays[" + i + "] has " + array.byteSize()
                            + (array.isNative() ? "" : " heap") + " bytes, and needs " + bytes + " outside the heap");
                }
                pointers.setAtIndex(ValueLayout.ADDRESS, i, array);
            }
            synchronized (context) {
                context.requireOpen();
                Native.check(GatunC.gatun_traffic(
                        context.pointer(), pointers, arrays.size(), written, length, dtype.number()));
            }
        }
    }

    /** Closes the handle; what was made on the device goes on holding it until that is closed, too. */
    @Override
    public void close() {
        cleanable.clean();
    }

    @Override
    public String toString() {
        return kind == Kind.CPU ? "CPU (" + threads + " threads, " + isa + ")" : "CUDA (" + name + ")";
    }

    Context context() {
        return context;
    }

    /** Whether something beside the device itself holds its context. */
    boolean isInUse() {
        return context.users() > 1;
    }
}
