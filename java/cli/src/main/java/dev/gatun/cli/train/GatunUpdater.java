package dev.gatun.cli.train;

import ai.djl.nn.Block;
import dev.gatun.Device;
import dev.gatun.Rule;
import dev.gatun.Schedule;
import dev.gatun.StepReport;
import dev.gatun.djl.GatunStep;
import java.io.IOException;
import java.nio.file.Path;

/** One native call for all parameters. */
final class GatunUpdater implements Updater {
    private final Rule rule;
    private final Schedule schedule;
    private final GatunStep step;

    GatunUpdater(Block block, Device device, Rule rule, Schedule schedule) {
        this.rule = rule;
        this.schedule = schedule;
        step = GatunStep.builder(block, device, rule).schedule(schedule).build();
    }

    @Override
    public void step() {
        step.step();
    }

    @Override
    public String refusal() {
        StepReport report = step.report();
        return report.skipped() ? report.reason() : null;
    }

    @Override
    public double lr(long step) {
        return schedule.rate(step, rule.lr());
    }

    @Override
    public void save(Path file) throws IOException {
        step.save(file);
    }

    @Override
    public long load(Path file) throws IOException {
        step.load(file);
        return step.steps();
    }

    @Override
    public boolean resumable() {
        return true;
    }

    @Override
    public void close() {
        step.close();
    }
}
