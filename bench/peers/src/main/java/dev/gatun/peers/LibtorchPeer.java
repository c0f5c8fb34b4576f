package dev.gatun.peers;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.LibUtils;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * PyTorch's own fused AdamW for the CPU, which DJL does not offer: the C++ function that DJL's natives export, called by its
 * mangled name. No user would; it shows what their hardware does in the best hands.
 */
final class LibtorchPeer implements Peer {
    /** at::_ops::_fused_adamw_::call(TensorList x 6, double x 5, bool x 2, const std::optional&lt;Tensor>&amp; x 2), 2.7.1. */
    private static final String SYMBOL = "_ZN2at4_ops13_fused_adamw_4callEN3c108ArrayRefINS_6TensorEEES5_S5_S5_S5_S5_"
            + "dddddbbRKSt8optionalIS4_ES9_";

    /** c10::ArrayRef: an address and how many; passed by value. */
    private static final MemoryLayout LIST = MemoryLayout.structLayout(ValueLayout.ADDRESS, ValueLayout.JAVA_LONG);

    private static final AddressLayout POINTER = ValueLayout.ADDRESS;

    private final Arena arena = Arena.ofConfined();
    private final NDManager manager = NDManager.newBaseManager("PyTorch");
    private final List<NDArray> weights = new ArrayList<>();
    private final MemorySegment[] lists = new MemorySegment[6];
    private final MemorySegment none;
    private final MemorySegment step;
    private final MethodHandle adamw;
    private long steps;

    LibtorchPeer(Problem problem) {
        Engine.getEngine("PyTorch"); // loads the library
        adamw = function();
        List<List<NDArray>> arrays = new ArrayList<>();
        for (int k = 0; k < 5; k++) {
            arrays.add(new ArrayList<>());
        }
        // Every tensor's step is the same, so they share one.
        NDArray shared = manager.create(new float[] {0}, new Shape());
        step = MemorySegment.ofBuffer(shared.toByteBuffer(true));
        for (int i = 0; i < problem.tensors(); i++) {
            Shape shape = new Shape(problem.shapes().get(i));
            weights.add(manager.create(problem.weight(i), shape));
            arrays.get(0).add(weights.getLast());
            arrays.get(1).add(manager.create(problem.gradient(i), shape));
            arrays.get(2).add(manager.zeros(shape));
            arrays.get(3).add(manager.zeros(shape));
            arrays.get(4).add(shared);
        }
        for (int k = 0; k < 4; k++) {
            lists[k] = list(arrays.get(k));
        }
        lists[4] = list(List.of()); // AMSGrad's maxima
        lists[5] = list(arrays.get(4));
        none = arena.allocate(16, 8); // a tensor's pointer, and whether there is one: no scale, no found_inf
    }

    private static MethodHandle function() {
        Path library = Path.of(LibUtils.getLibtorchPath(), "libtorch_cpu.so");
        MemorySegment symbol = SymbolLookup.libraryLookup(library, Arena.global())
                .find(SYMBOL)
                .orElseThrow(() -> new UnsatisfiedLinkError(library + " does not export " + SYMBOL));
        return Linker.nativeLinker()
                .downcallHandle(
                        symbol,
                        FunctionDescriptor.ofVoid(
                                LIST,
                                LIST,
                                LIST,
                                LIST,
                                LIST,
                                LIST,
                                ValueLayout.JAVA_DOUBLE,
                                ValueLayout.JAVA_DOUBLE,
                                ValueLayout.JAVA_DOUBLE,
                                ValueLayout.JAVA_DOUBLE,
                                ValueLayout.JAVA_DOUBLE,
                                ValueLayout.JAVA_BOOLEAN,
                                ValueLayout.JAVA_BOOLEAN,
                                ValueLayout.ADDRESS,
                                ValueLayout.ADDRESS));
    }

    /** An array of at::Tensor, each of which is one pointer, borrowed from the arrays that {@code manager} keeps alive. */
    private MemorySegment list(List<NDArray> arrays) {
        MemorySegment tensors = arena.allocate(POINTER, Math.max(1, arrays.size()));
        for (int i = 0; i < arrays.size(); i++) {
            long handle = ((PtNDArray) arrays.get(i)).getHandle();
            MemorySegment tensor = MemorySegment.ofAddress(handle).reinterpret(POINTER.byteSize());
            tensors.setAtIndex(POINTER, i, tensor.get(POINTER, 0));
        }
        MemorySegment list = arena.allocate(LIST);
        list.set(POINTER, 0, tensors);
        list.set(ValueLayout.JAVA_LONG, 8, arrays.size());
        return list;
    }

    @Override
    public void gradients() {
        // They are only read.
    }

    @Override
    public void step() {
        step.set(ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.nativeOrder()), 0, ++steps);
        try {
            adamw.invokeExact(
                    lists[0],
                    lists[1],
                    lists[2],
                    lists[3],
                    lists[4],
                    lists[5],
                    (double) AdamW.LR,
                    (double) AdamW.BETA1,
                    (double) AdamW.BETA2,
                    (double) AdamW.WEIGHT_DECAY,
                    (double) AdamW.EPS,
                    false,
                    false,
                    none,
                    none);
        } catch (Throwable impossible) {
            throw new AssertionError("a downcall that takes structs and plain numbers failed", impossible);
        }
    }

    @Override
    public float[] weight(int tensor) {
        return weights.get(tensor).toFloatArray();
    }

    @Override
    public void close() {
        manager.close();
        arena.close();
    }
}
