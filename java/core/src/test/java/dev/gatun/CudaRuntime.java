package dev.gatun;

import dev.gatun.bindings.NativeLibrary;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;

/**
 * What a program beside Gatun asks of CUDA: streams and graphs. From the emulated backend, which has the runtime in it,
 * or beside a GPU from libcudart; tests are skipped where there is none.
 */
final class CudaRuntime {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final MemoryLayout POINTER = ValueLayout.ADDRESS;
    private static final int NON_BLOCKING = 1;
    private static final int THREAD_LOCAL = 1;

    private final SymbolLookup symbols;

    private CudaRuntime(SymbolLookup symbols) {
        this.symbols = symbols;
    }

    /** Of the emulator, if it is that, or of libcudart. */
    static CudaRuntime find() {
        CudaRuntime emulated = emulator();
        if (emulated != null) {
            return emulated;
        }
        for (String name : List.of("libcudart.so", "libcudart.so.13", "libcudart.so.12")) {
            try {
                return new CudaRuntime(SymbolLookup.libraryLookup(name, Arena.global()));
            } catch (IllegalArgumentException notHere) {
                // the next one
            }
        }
        Assumptions.abort("there is no libcudart.so here to make a stream with");
        return null;
    }

    /** Of the emulator; null beside a GPU. */
    static CudaRuntime emulator() {
        Device.cudaStatus();
        SymbolLookup symbols = SymbolLookup.libraryLookup(NativeLibrary.cudaPath(), Arena.global());
        return symbols.find("gatun_emulator_calls").isPresent() ? new CudaRuntime(symbols) : null;
    }

    MemorySegment createStream() {
        return made("cudaStreamCreateWithFlags", FunctionDescriptor.of(INT, POINTER, INT), NON_BLOCKING);
    }

    void synchronize(MemorySegment stream) {
        check("cudaStreamSynchronize", FunctionDescriptor.of(INT, POINTER), stream);
    }

    void destroyStream(MemorySegment stream) {
        check("cudaStreamDestroy", FunctionDescriptor.of(INT, POINTER), stream);
    }

    void beginCapture(MemorySegment stream) {
        check("cudaStreamBeginCapture", FunctionDescriptor.of(INT, POINTER, INT), stream, THREAD_LOCAL);
    }

    /** The graph, ready to be launched. */
    MemorySegment endCapture(MemorySegment stream) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pointer = arena.allocate(ValueLayout.ADDRESS);
            check("cudaStreamEndCapture", FunctionDescriptor.of(INT, POINTER, POINTER), stream, pointer);
            MemorySegment graph = pointer.get(ValueLayout.ADDRESS, 0);
            MemorySegment executable =
                    made("cudaGraphInstantiate", FunctionDescriptor.of(INT, POINTER, POINTER, LONG), graph, 0L);
            check("cudaGraphDestroy", FunctionDescriptor.of(INT, POINTER), graph);
            return executable;
        }
    }

    void launch(MemorySegment graph, MemorySegment stream) {
        check("cudaGraphLaunch", FunctionDescriptor.of(INT, POINTER, POINTER), graph, stream);
    }

    void destroyGraph(MemorySegment graph) {
        check("cudaGraphExecDestroy", FunctionDescriptor.of(INT, POINTER), graph);
    }

    /** Makes the n-th call of the runtime from now on fail; 0: none. */
    void failAt(long call, int error) {
        call("gatun_emulator_fail", FunctionDescriptor.ofVoid(LONG, INT), call, error);
    }

    /** Calls since {@link #failAt}. */
    long calls() {
        return (long) call("gatun_emulator_calls", FunctionDescriptor.of(LONG));
    }

    /** Allocations, streams, events and graphs that nobody has freed. */
    long live() {
        return (long) call("gatun_emulator_live", FunctionDescriptor.of(LONG));
    }

    /** Kernels launched so far. */
    long launches() {
        return (long) call("gatun_emulator_launches", FunctionDescriptor.of(LONG));
    }

    /** Copies to the device so far. */
    long copies() {
        return (long) call("gatun_emulator_copies", FunctionDescriptor.of(LONG));
    }

    private MemorySegment made(String name, FunctionDescriptor type, Object... rest) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pointer = arena.allocate(ValueLayout.ADDRESS);
            Object[] arguments = new Object[rest.length + 1];
            arguments[0] = pointer;
            System.arraycopy(rest, 0, arguments, 1, rest.length);
            check(name, type, arguments);
            return pointer.get(ValueLayout.ADDRESS, 0);
        }
    }

    private void check(String name, FunctionDescriptor type, Object... arguments) {
        int error = (int) call(name, type, arguments);
        if (error != 0) {
            throw new IllegalStateException(name + " failed with " + error);
        }
    }

    private Object call(String name, FunctionDescriptor type, Object... arguments) {
        Optional<MemorySegment> symbol = symbols.find(name);
        try {
            return Linker.nativeLinker()
                    .downcallHandle(symbol.orElseThrow(), type)
                    .invokeWithArguments(arguments);
        } catch (Throwable e) {
            throw new IllegalStateException(name, e);
        }
    }
}
