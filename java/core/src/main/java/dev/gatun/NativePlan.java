package dev.gatun;

import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.gatun_average;
import dev.gatun.bindings.gatun_group;
import dev.gatun.bindings.gatun_input;
import dev.gatun.bindings.gatun_step_arguments;
import dev.gatun.bindings.gatun_step_report;
import dev.gatun.bindings.gatun_tensor;
import dev.gatun.bindings.gatun_transform;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** A gatun_plan. */
final class NativePlan implements Backend.Plan {
    private final Context context;
    /** Of the argument and report structs, which every step uses again. */
    private final Arena arena = Arena.ofShared();

    private final MemorySegment plan;
    private final MemorySegment lr;
    private final MemorySegment arguments;
    private final MemorySegment report;
    private final MemorySegment input;
    private final int tensors;

    NativePlan(Context context, List<Backend.Group> groups) {
        this.context = context;
        tensors = groups.stream().mapToInt(group -> group.members().size()).sum();
        context.retain();
        try (Arena call = Arena.ofConfined()) {
            lr = arena.allocate(ValueLayout.JAVA_DOUBLE, Math.max(1, groups.size()));
            arguments = gatun_step_arguments.allocate(arena);
            gatun_step_arguments.lr(arguments, lr);
            report = gatun_step_report.allocate(arena);
            input = gatun_input.allocate(arena);
            MemorySegment structs = gatun_group.allocateArray(groups.size(), call);
            for (int i = 0; i < groups.size(); i++) {
                describe(groups.get(i), gatun_group.asSlice(structs, i), call);
            }
            MemorySegment pointer = call.allocate(ValueLayout.ADDRESS);
            Native.check(GatunC.gatun_plan_create(context.pointer(), structs, groups.size(), pointer));
            plan = pointer.get(ValueLayout.ADDRESS, 0);
        } catch (RuntimeException e) {
            arena.close();
            context.release();
            throw e;
        }
    }

    private static void describe(Backend.Group group, MemorySegment struct, Arena call) {
        Recipe recipe = group.recipe();
        MemorySegment tensors = gatun_tensor.allocateArray(group.members().size(), call);
        for (int i = 0; i < group.members().size(); i++) {
            describe(group.members().get(i), gatun_tensor.asSlice(tensors, i));
        }
        gatun_group.tensors(struct, tensors);
        gatun_group.count(struct, group.members().size());
        gatun_group.counters(struct, group.counters());
        gatun_group.arguments(struct, recipe.update().arguments().apply(call));
        for (int i = 0; i < recipe.transforms().size(); i++) {
            describe(recipe.transforms().get(i), gatun_group.transforms(struct, i));
        }
        for (int i = 0; i < recipe.averages().size(); i++) {
            describe(recipe.averages().get(i), gatun_group.averages(struct, i));
        }
        gatun_group.transform_count(struct, recipe.transforms().size());
        gatun_group.average_count(struct, recipe.averages().size());
        gatun_group.rule(struct, recipe.update().number());
        gatun_group.dtype(struct, group.dtype().arithmetic().number());
        gatun_group.weight_dtype(struct, group.dtype().number());
        gatun_group.rounding(struct, group.rounding().number());
        gatun_group.seed(struct, group.seed());
    }

    private static void describe(Backend.Member member, MemorySegment struct) {
        gatun_tensor.weight(struct, member.weight());
        gatun_tensor.master(struct, member.master() == null ? MemorySegment.NULL : member.master());
        gatun_tensor.number(struct, member.number());
        for (int i = 0; i < member.state().size(); i++) {
            gatun_tensor.state(struct, i, member.state().get(i));
        }
        gatun_tensor.length(struct, member.length());
        gatun_tensor.rows(struct, member.rows());
        gatun_tensor.powers(struct, member.powers());
        gatun_tensor.input_groups(struct, member.groups());
        gatun_tensor.flags(
                struct,
                (member.matrix() ? GatunC.GATUN_TENSOR_MATRIX() : 0)
                        | (member.decay() ? GatunC.GATUN_TENSOR_DECAY() : 0));
    }

    private static void describe(Recipe.Transform transform, MemorySegment struct) {
        gatun_transform.value(struct, transform.value());
        gatun_transform.kind(struct, transform.kind());
        gatun_transform.center(struct, transform.center() ? 1 : 0);
        gatun_transform.normalize(struct, transform.normalize() ? 1 : 0);
    }

    private static void describe(Recipe.Average average, MemorySegment struct) {
        gatun_average.value(struct, average.value());
        gatun_average.k(struct, average.k());
        gatun_average.kind(struct, average.kind());
        gatun_average.skip_idle(struct, average.skipIdle() ? 1 : 0);
    }

    @Override
    public void gradient(int group, int tensor, MemorySegment gradient, DType dtype) {
        Native.check(GatunC.gatun_plan_gradient(
                plan, group, tensor, gradient == null ? MemorySegment.NULL : gradient, dtype.number()));
    }

    @Override
    public void input(int group, int tensor, Backend.Input input) {
        if (input == null) {
            Native.check(GatunC.gatun_plan_input(plan, group, tensor, MemorySegment.NULL));
            return;
        }
        gatun_input.address(this.input, input.memory());
        gatun_input.samples(this.input, input.samples());
        gatun_input.channels(this.input, input.channels());
        gatun_input.area(this.input, input.area());
        gatun_input.dtype(this.input, input.dtype().number());
        gatun_input.power(this.input, input.power() ? 1 : 0);
        Native.check(GatunC.gatun_plan_input(plan, group, tensor, this.input));
    }

    @Override
    public void step(double[] rates, double gradientScale, boolean checkFinite, boolean zeroGradients) {
        describe(rates, gradientScale, checkFinite, zeroGradients);
        Native.check(GatunC.gatun_step(plan, arguments));
    }

    @Override
    public void values(double[] rates, double gradientScale) {
        describe(rates, gradientScale, false, false);
        Native.check(GatunC.gatun_plan_values(plan, arguments));
    }

    private void describe(double[] rates, double gradientScale, boolean checkFinite, boolean zeroGradients) {
        context.requireOpen();
        for (int i = 0; i < rates.length; i++) {
            lr.setAtIndex(ValueLayout.JAVA_DOUBLE, i, rates[i]);
        }
        gatun_step_arguments.gradient_scale(arguments, gradientScale);
        gatun_step_arguments.flags(
                arguments,
                (checkFinite ? GatunC.GATUN_CHECK_FINITE() : 0) | (zeroGradients ? GatunC.GATUN_ZERO_GRADIENTS() : 0));
    }

    /** Sums the gradients up, for {@link #gradientNorms}, and nothing else. */
    void reduce(double[] rates) {
        describe(rates, 1, true, false);
        Native.check(GatunC.gatun_reduce(plan, arguments));
    }

    @Override
    public void gradientNorms(double[] norms) {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment found = call.allocate(ValueLayout.JAVA_DOUBLE, tensors);
            Native.check(GatunC.gatun_gradient_norms(plan, found));
            MemorySegment.copy(found, ValueLayout.JAVA_DOUBLE, 0, norms, 0, tensors);
        }
    }

    @Override
    public boolean refused() {
        Native.check(GatunC.gatun_report(plan, report));
        return gatun_step_report.skipped(report) != 0;
    }

    @Override
    public Backend.Outcome report() {
        Native.check(GatunC.gatun_report(plan, report));
        return new Backend.Outcome(
                gatun_step_report.gradient_norm(report),
                gatun_step_report.skipped(report) != 0,
                (int) gatun_step_report.skipped_group(report),
                (int) gatun_step_report.skipped_tensor(report),
                gatun_step_report.skipped_input(report) != 0);
    }

    @Override
    public void close() {
        try {
            Native.check(GatunC.gatun_plan_destroy(plan));
        } finally {
            arena.close();
            context.release();
        }
    }
}
