package dev.gatun;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;

/** A rule at work on a {@link Problem}: two groups with different learning rates, one of them scheduled. */
final class Run implements AutoCloseable {
    /** As a loss scale of 4. */
    static final double GRADIENT_SCALE = 0.25;

    final Problem problem;
    final Optimizer optimizer;

    Run(Subject subject, Device device) {
        this(subject, device, UnaryOperator.identity());
    }

    Run(Subject subject, Device device, UnaryOperator<OptimizerBuilder> options) {
        this(subject, device, options, Schedule.warmup(3).then(Schedule.step(4, 0.5)), Problem.shapes());
    }

    Run(Subject subject, Device device, UnaryOperator<OptimizerBuilder> options, Schedule schedule, long[]... shapes) {
        problem = new Problem(subject.types(), subject.values(), device, shapes);
        Rule rule = subject.rule();
        int half = problem.parameters.size() / 2;
        OptimizerBuilder builder = Optimizer.builder(device)
                .group(ParameterGroup.of(rule, problem.parameters.subList(0, half))
                        .withSchedule(schedule))
                .group(rule.withLr(rule.lr() / 2), problem.parameters.subList(half, problem.parameters.size()));
        builder.rounding(subject.types().rounding()).seed(Subject.SEED);
        if (subject.backend() != null) {
            builder.backend(subject.backend());
        }
        try {
            optimizer = TestDevice.build(options.apply(builder));
        } catch (RuntimeException e) {
            problem.close();
            throw e;
        }
        optimizer.gradientScale(GRADIENT_SCALE);
    }

    /** Steps with the problem's gradients, some of them missing. */
    void steps(int from, int to) {
        for (int step = from; step <= to; step++) {
            problem.fill(step);
            List<Tensor> bound = new ArrayList<>();
            for (int i = 0; i < problem.gradients.size(); i++) {
                bound.add(Problem.hasGradient(step, i) ? problem.bindable().get(i) : null);
            }
            optimizer.bindGradients(bound);
            problem.bindInputs(optimizer, step);
            step();
        }
    }

    /** Steps with the gradients as they stand in host memory. */
    void step() {
        problem.send();
        optimizer.step();
    }

    /** Binds every gradient. */
    void bindAll(int step) {
        problem.fill(step);
        problem.send();
        optimizer.bindGradients(problem.bindable());
        problem.bindInputs(optimizer, step);
    }

    /** Everything that a step may change, but for the clock. */
    byte[] bits() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.writeBytes(problem.weightBits());
        bytes.writeBytes(Problem.bits(state()));
        bytes.writeBytes(Problem.bits(masters()));
        bytes.writeBytes(Arrays.toString(optimizer.stepsTaken()).getBytes(StandardCharsets.US_ASCII));
        return bytes.toByteArray();
    }

    /** All state tensors, parameter by parameter, as they are now. */
    List<Tensor> state() {
        List<Tensor> state = new ArrayList<>();
        List<String> slots = optimizer.groups().getFirst().rule().slots();
        for (int i = 0; i < optimizer.parameters().size(); i++) {
            for (String slot : slots) {
                state.add(optimizer.state(i, slot));
            }
        }
        return problem.onHost(state);
    }

    /** A state tensor as it is now, in host memory. */
    Tensor state(int parameter, String slot) {
        return problem.onHost(List.of(optimizer.state(parameter, slot))).getFirst();
    }

    /** State and masters, parameter by parameter, as an optimizer adopts them. */
    List<Tensor> memory() {
        List<Tensor> memory = new ArrayList<>();
        List<String> slots = optimizer.groups().getFirst().rule().slots();
        for (int i = 0; i < optimizer.parameters().size(); i++) {
            for (String slot : slots) {
                memory.add(optimizer.state(i, slot));
            }
            if (optimizer.parameters().get(i).weight().dtype().isHalf()) {
                memory.add(optimizer.state(i, "master"));
            }
        }
        return memory;
    }

    /** The weights as the arithmetic has them: masters, where there are some and they have begun. */
    List<Tensor> masters() {
        List<Tensor> masters = new ArrayList<>(problem.weights());
        long[] taken = optimizer.stepsTaken();
        for (int i = 0; i < taken.length; i++) {
            if (masters.get(i).dtype().isHalf() && taken[i] > 0) {
                masters.set(i, state(i, "master"));
            }
        }
        return masters;
    }

    @Override
    public void close() {
        optimizer.close();
        problem.close();
    }
}
