package dev.gatun.djl;

import ai.djl.engine.Engine;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.LibUtils;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/**
 * Asks PyTorch where a tensor's memory is, through the C functions that libtorch_cpu.so exports for ahead-of-time
 * compiled models ({@code aoti_torch_...}, a stable ABI). DJL's handle of an array is the {@code at::Tensor*} they
 * take.
 *
 * <p>The library is the one DJL has loaded: opening the same file again yields the same library.
 */
final class TorchMemory {
    private static final MethodHandle DATA_POINTER;
    private static final MethodHandle DIMENSIONS;
    private static final MethodHandle SIZES;
    private static final MethodHandle STRIDES;

    static {
        Engine.getEngine("PyTorch"); // loads the library, if nothing has yet
        Path library = Path.of(LibUtils.getLibtorchPath(), "libtorch_cpu.so");
        SymbolLookup torch = SymbolLookup.libraryLookup(library, Arena.global());
        DATA_POINTER = function(torch, library, "aoti_torch_get_data_ptr");
        DIMENSIONS = function(torch, library, "aoti_torch_get_dim");
        SIZES = function(torch, library, "aoti_torch_get_sizes");
        STRIDES = function(torch, library, "aoti_torch_get_strides");
    }

    private TorchMemory() {}

    /** Where the first element is; a device address for a tensor on a GPU. */
    static long address(PtNDArray array) {
        return ask(DATA_POINTER, array);
    }

    /** Whether the elements lie in row-major order without gaps, so that address and length say everything. */
    static boolean contiguous(PtNDArray array) {
        int dimensions = (int) ask(DIMENSIONS, array);
        long bytes = (long) dimensions * Long.BYTES;
        MemorySegment sizes = MemorySegment.ofAddress(ask(SIZES, array)).reinterpret(bytes);
        MemorySegment strides = MemorySegment.ofAddress(ask(STRIDES, array)).reinterpret(bytes);
        long expected = 1;
        for (int d = dimensions - 1; d >= 0; d--) {
            long size = sizes.getAtIndex(ValueLayout.JAVA_LONG, d);
            // The stride of a dimension of size 1 is never used, and PyTorch leaves anything there.
            if (size != 1 && strides.getAtIndex(ValueLayout.JAVA_LONG, d) != expected) {
                return false;
            }
            expected *= size;
        }
        return true;
    }

    /** Every function here writes one 64-bit value behind its second argument and returns 0 if it could. */
    private static MethodHandle function(SymbolLookup torch, Path library, String name) {
        MemorySegment symbol = torch.find(name)
                .orElseThrow(
                        () -> new UnsatisfiedLinkError(
                                library + " does not export " + name
                                        + "; this adapter was built for PyTorch 2.7, pass its natives (ai.djl.pytorch:pytorch-native-cpu)"));
        return Linker.nativeLinker()
                .downcallHandle(
                        symbol,
                        FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.ADDRESS));
    }

    private static long ask(MethodHandle function, PtNDArray array) {
        long handle = array.getHandle(); // throws IllegalStateException for a closed array
        int status;
        long answer;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment result = arena.allocate(ValueLayout.JAVA_LONG);
            status = (int) function.invokeExact(handle, result);
            answer = result.get(ValueLayout.JAVA_LONG, 0);
        } catch (Throwable impossible) {
            throw new AssertionError("a downcall that takes plain numbers failed", impossible);
        }
        if (status != 0) {
            throw new IllegalStateException(
                    "PyTorch did not tell where the memory of " + array.getShape() + " is: status " + status);
        }
        return answer;
    }
}
