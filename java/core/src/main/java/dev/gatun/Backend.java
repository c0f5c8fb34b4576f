package dev.gatun;

import java.lang.foreign.MemorySegment;
import java.util.List;

/** Who computes an optimizer's steps: the native library, and in tests models of it, right and wrong ones. */
interface Backend {
    /** Builds the tables of one optimizer. The memory that the groups name must outlive the plan. */
    Plan plan(List<Group> groups);

    /**
     * As gatun_group: tensors of one type that share a recipe. {@code dtype} is that of their weights; {@code counters} has
     * count + 1 longs.
     */
    record Group(
            Recipe recipe, DType dtype, Rounding rounding, long seed, List<Member> members, MemorySegment counters) {}

    /** As gatun_tensor, without the gradient; {@code master} is null where weights have none. */
    record Member(
            MemorySegment weight,
            MemorySegment master,
            List<MemorySegment> state,
            long length,
            long rows,
            boolean matrix,
            boolean decay,
            long powers,
            int groups,
            long number) {}

    /** As gatun_input: elements, or with {@code power} their power by channel, in F64. */
    record Input(MemorySegment memory, DType dtype, long samples, long channels, long area, boolean power) {}

    /**
     * What the last step did; {@code group} and {@code tensor} say where it was refused, or are -1, {@code input}
     * whether it was for the tensor's input.
     */
    record Outcome(double gradientNorm, boolean skipped, int group, int tensor, boolean input) {}

    /** The tables of one optimizer. */
    interface Plan extends AutoCloseable {
        /** The gradient of a tensor from now on, and its type; null for none. */
        void gradient(int group, int tensor, MemorySegment gradient, DType dtype);

        /** The input of a tensor's layer from now on; null for none. */
        void input(int group, int tensor, Input input);

        /** One step, all or nothing; allocates nothing. {@code lr} has one learning rate per group. */
        void step(double[] lr, double gradientScale, boolean checkFinite, boolean zeroGradients);

        /** The learning rates and the gradient scale of the replays of a captured step that follow. */
        void values(double[] lr, double gradientScale);

        /** Waits for the last step. */
        Outcome report();

        /**
         * The norms of the last step's gradients before their scale, tensor by tensor, group by group; without meaning where
         * there was no gradient or the step needed no sums of it.
         */
        void gradientNorms(double[] norms);

        /** As {@link #report}, but only whether it was refused; allocates nothing. */
        default boolean refused() {
            return report().skipped();
        }

        @Override
        void close();
    }
}
