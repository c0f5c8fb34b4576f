package dev.gatun;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Steps with an inaccessible page right behind, then right before every buffer: one element read or written outside
 * ends the process. Run by {@link GuardPagesTest} in a JVM of its own; the argument is the number of elements by which
 * lengths are overstated, 0 if all is well.
 */
final class GuardPages {
    private static final long PAGE = 4096;
    private static final int PROT_NONE = 0;
    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_PRIVATE_ANONYMOUS = 0x22;

    private static final MethodHandle MMAP = function(
            "mmap",
            FunctionDescriptor.of(
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_LONG));
    private static final MethodHandle MPROTECT = function(
            "mprotect",
            FunctionDescriptor.of(
                    ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));

    private GuardPages() {}

    private static MethodHandle function(String name, FunctionDescriptor descriptor) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), descriptor);
    }

    public static void main(String[] arguments) throws Throwable {
        int overstated = Integer.parseInt(arguments[0]);
        long[][] shapes = {
            {1}, {2}, {3}, {7}, {8}, {9}, {15}, {16}, {17}, {31}, {33}, {63}, {65}, {255}, {257}, {1023}, {1025},
            {4097}, {8193}, {5, 1}, {3, 9}, {7, 577}, {2, 4097}, {33, 31}
        };
        int steps = 0;
        for (Device.Isa isa : Device.Isa.values()) {
            try (Device device = Device.cpu(2, isa)) {
                for (DType dtype : DType.values()) {
                    for (boolean behind : new boolean[] {true, false}) {
                        steps += all(device, dtype, shapes, behind, overstated);
                    }
                }
            } catch (DeviceUnavailableException e) {
                System.out.println(e.getMessage());
            }
        }
        System.out.println(steps + " steps between guard pages");
    }

    private static int all(Device device, DType dtype, long[][] shapes, boolean behind, int overstated)
            throws Throwable {
        List<List<MemorySegment>> buffers = new ArrayList<>();
        for (long[] shape : shapes) {
            List<MemorySegment> own = new ArrayList<>();
            for (int i = 0; i < 9; i++) { // weight, gradient, master, and as many states as any rule here has
                own.add(guarded(length(shape) * (i < 2 ? dtype : dtype.arithmetic()).bytes(), behind));
            }
            buffers.add(own);
        }
        List<MemorySegment> scalars = new ArrayList<>();
        for (int i = 0; i < shapes.length; i++) {
            scalars.add(guarded(Double.BYTES, behind));
        }
        SplittableRandom random = new SplittableRandom(1);
        int steps = 0;
        for (String specification : Subject.SPECIFICATIONS) {
            Recipe recipe = RuleForm.recipe(Rule.parse(specification));
            int slots = recipe.slots().size();
            try (Arena arena = Arena.ofConfined()) {
                List<Backend.Member> members = new ArrayList<>();
                for (int i = 0; i < shapes.length; i++) {
                    List<MemorySegment> own = buffers.get(i);
                    own.subList(2, 9).forEach(state -> state.fill((byte) 0));
                    Tensor gradient = Tensor.of(own.get(1), dtype, shapes[i]);
                    for (long k = 0; k < gradient.length(); k++) {
                        gradient.set(k, random.nextGaussian());
                    }
                    long length = length(shapes[i]) + overstated;
                    long rows = overstated == 0 ? shapes[i][0] : 1;
                    List<MemorySegment> state = new ArrayList<>(own.subList(3, 3 + slots));
                    for (int slot = 0; slot < slots; slot++) {
                        if (recipe.scalar(slot)) { // one double, whatever the parameter's length and type
                            state.set(slot, scalars.get(i));
                        }
                    }
                    scalars.get(i).fill((byte) 0);
                    members.add(new Backend.Member(
                            own.get(0), own.get(2), state, length, rows, shapes[i].length > 1, true, 0, 1, i));
                }
                MemorySegment counters = arena.allocate(ValueLayout.JAVA_LONG, members.size() + 1);
                Rounding rounding = slots % 2 == 0 ? Rounding.NEAREST : Rounding.STOCHASTIC;
                NativePlan plan = new NativePlan(
                        device.context(), List.of(new Backend.Group(recipe, dtype, rounding, 1, members, counters)));
                for (int i = 0; i < members.size(); i++) {
                    plan.gradient(0, i, buffers.get(i).get(1), dtype);
                }
                for (int step = 0; step < 6; step++) { // to the synchronization of a look-ahead
                    plan.step(new double[] {0.01}, 1, step % 2 == 0, step == 5);
                    steps++;
                }
                plan.close();
            }
        }
        return steps;
    }

    private static long length(long[] shape) {
        long length = 1;
        for (long size : shape) {
            length *= size;
        }
        return length;
    }

    /** Memory that ends where an inaccessible page begins, or begins where one ends. */
    private static MemorySegment guarded(long bytes, boolean behind) throws Throwable {
        long inner = Math.ceilDiv(bytes, PAGE) * PAGE;
        long start = (long) MMAP.invokeExact(0L, inner + 2 * PAGE, PROT_NONE, MAP_PRIVATE_ANONYMOUS, -1, 0L);
        if (start == -1) {
            throw new OutOfMemoryError("mmap");
        }
        if ((int) MPROTECT.invokeExact(start + PAGE, inner, PROT_READ_WRITE) != 0) {
            throw new OutOfMemoryError("mprotect");
        }
        long address = behind ? start + PAGE + inner - bytes : start + PAGE;
        return MemorySegment.ofAddress(address).reinterpret(bytes);
    }
}
