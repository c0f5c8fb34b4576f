package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.opentest4j.TestAbortedException;

/**
 * Training after training, each twice: once undisturbed, once with saves, saves that fail, crashes after which it goes on
 * from the last save, and moves to other numbers of threads, instruction sets and devices; steps that a NaN refuses are
 * in both. They end in the same bits and the same file. {@code -Dgatun.test.soak.seconds=600} goes on for longer, {@code
 * -Dgatun.test.soak.seed=N} begins with the training that a failure named.
 */
@Tag("device")
class SoakTest {
    private static final int SECONDS = Integer.getInteger("gatun.test.soak.seconds", 30);

    /** On an emulated GPU, where the same time shows a tenth. */
    private static final int EMULATED_SECONDS = Math.max(1, SECONDS / 6);

    private static final long FIRST_SEED =
            Long.getLong("gatun.test.soak.seed", System.currentTimeMillis() % 1_000_000 * 1000);

    @TempDir
    Path folder;

    private long trainings;
    private long steps;
    private long refused;
    private long saves;
    private long failedSaves;
    private long crashes;
    private long moves;

    @Test
    void disturbedTrainingsEndInTheBitsOfUndisturbedOnes() throws Exception {
        int seconds = TestDevice.isEmulated() ? EMULATED_SECONDS : SECONDS;
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        long seed = FIRST_SEED;
        do {
            try {
                training(seed);
            } catch (Exception | AssertionError e) {
                throw new AssertionError("again with -Dtest=SoakTest -Dgatun.test.soak.seed=" + seed, e);
            }
            seed++;
            trainings++;
        } while (System.nanoTime() < end);
        System.out.printf(
                "soak: %d trainings, seeds from %d: %d steps, %d of them refused, %d saves and %d that failed,"
                        + " %d crashes, %d moves to other devices%n",
                trainings, FIRST_SEED, steps, refused, saves, failedSaves, crashes, moves);
        if (trainings > 20) {
            assertThat(List.of(refused, saves, failedSaves, crashes, moves)).allMatch(count -> count > 0);
        }
    }

    /** What one training is made of. */
    private record Course(Subject subject, int steps, long seed) {
        static Course of(long seed) {
            SplittableRandom random = new SplittableRandom(seed);
            String rule = Subject.SPECIFICATIONS.get(random.nextInt(Subject.SPECIFICATIONS.size()));
            List<Subject.Types> types = new ArrayList<>(Subject.MIXED);
            types.addAll(List.of(Subject.Types.of(DType.F32), Subject.Types.of(DType.F32)));
            types.add(Subject.Types.of(DType.F64));
            Subject.Types type = types.get(random.nextInt(types.size()));
            return new Course(new Subject(rule, type, type, null), 15 + random.nextInt(30), seed);
        }

        /** Takes a step; some have a NaN in a gradient, the same ones each time. */
        void step(Run run, int step) {
            Problem problem = run.problem;
            problem.fill(step);
            List<Tensor> bound = new ArrayList<>();
            for (int i = 0; i < problem.gradients.size(); i++) {
                bound.add(Problem.hasGradient(step, i) ? problem.bindable().get(i) : null);
            }
            run.optimizer.bindGradients(bound);
            problem.bindInputs(run.optimizer, step);
            SplittableRandom random = new SplittableRandom(seed * 1000 + step);
            int bad = random.nextInt(6 * bound.size());
            if (bad < bound.size() && problem.gradients.get(bad).length() > 0) {
                Tensor gradient = problem.gradients.get(bad);
                gradient.set(random.nextLong(gradient.length()), Double.NaN);
            }
            run.step();
        }
    }

    private void training(long seed) throws IOException, InterruptedException {
        Course course = Course.of(seed);
        Path expected = folder.resolve("undisturbed");
        byte[] bits;
        try (Device device = Device.cpu(1);
                Run run = new Run(course.subject, device)) {
            for (int step = 1; step <= course.steps; step++) {
                course.step(run, step);
                refused += run.optimizer.report().skipped() ? 1 : 0;
            }
            bits = run.bits();
            run.optimizer.save(expected);
        }
        Path actual = folder.resolve("disturbed");
        Files.deleteIfExists(actual);
        assertThat(disturbed(course, actual)).as("bits of %s", course).isEqualTo(bits);
        assertThat(Files.mismatch(actual, expected)).as("files of %s", course).isEqualTo(-1);
        steps += course.steps;
    }

    /** Trains in spite of everything, and answers the last bits. */
    private byte[] disturbed(Course course, Path file) throws IOException, InterruptedException {
        SplittableRandom random = new SplittableRandom(~course.seed);
        Ship ship = new Ship(course.subject, random);
        try {
            int step = 0;
            while (step < course.steps) {
                course.step(ship.run, ++step);
                switch (random.nextInt(16)) {
                    case 0, 1 -> {
                        ship.run.optimizer.save(file);
                        saves++;
                    }
                    case 2 -> failToSave(ship.run.optimizer, file, random);
                    case 3 -> {
                        step = ship.reopen(file); // without a save
                        crashes++;
                    }
                    case 4 -> {
                        ship.run.optimizer.save(file);
                        assertThat(ship.reopen(file)).isEqualTo(step);
                        moves++;
                    }
                    case 5 -> meddle(ship.run.optimizer, file);
                    case 6 -> ship.run.optimizer.load(saved(ship.run.optimizer, file));
                    default -> {
                        // nothing happens
                    }
                }
            }
            ship.run.optimizer.save(file);
            assertThat(ship.run.problem.sentinelsIntact()).isTrue();
            return ship.run.bits();
        } finally {
            ship.close();
        }
    }

    private static Path saved(Optimizer optimizer, Path file) throws IOException {
        optimizer.save(file);
        return file;
    }

    /** One of the calls of a save fails: the one before, or after the last rename the new one, is there. */
    private void failToSave(Optimizer optimizer, Path file, SplittableRandom random) {
        int[] left = {1 + random.nextInt(8)};
        FileCalls failing = new FileCalls() {
            private void call() throws IOException {
                if (--left[0] == 0) {
                    throw new IOException("fails on purpose");
                }
            }

            @Override
            public int write(FileChannel channel, ByteBuffer bytes) throws IOException {
                call();
                return FileCalls.super.write(channel, bytes);
            }

            @Override
            public void force(FileChannel channel) throws IOException {
                left[0] = Math.min(left[0], 3);
                call();
            }

            @Override
            public void move(Path from, Path to) throws IOException {
                call();
                FileCalls.super.move(from, to);
            }

            @Override
            public void forceFolder(Path folder) throws IOException {
                call();
            }
        };
        assertThatThrownBy(() -> optimizer.save(file, true, failing)).hasMessage("fails on purpose");
        failedSaves++;
    }

    /** Another thread that saves, steps or loads is refused. */
    private static void meddle(Optimizer optimizer, Path file) throws InterruptedException {
        Throwable[] thrown = new Throwable[3];
        Thread other = Thread.ofPlatform().start(() -> {
            thrown[0] = thrownBy(optimizer::step);
            thrown[1] = thrownBy(() -> optimizer.save(file));
            thrown[2] = thrownBy(() -> optimizer.load(file));
        });
        other.join();
        assertThat(Arrays.asList(thrown)).hasOnlyElementsOfType(WrongThreadException.class);
    }

    private interface Call {
        void run() throws IOException;
    }

    private static Throwable thrownBy(Call call) {
        try {
            call.run();
            return null;
        } catch (Throwable e) {
            return e;
        }
    }

    /** A run and the device it is on, which is another after every loss. */
    private static final class Ship {
        private static final Device.Isa BEST = best();

        private final Subject subject;
        private final SplittableRandom random;
        private Device device;
        private Run run;

        Ship(Subject subject, SplittableRandom random) {
            this.subject = subject;
            this.random = random;
            open();
        }

        private static Device.Isa best() {
            try (Device device = Device.cpu(1)) {
                return device.isa();
            }
        }

        private void open() {
            if (TestDevice.isCuda() && random.nextBoolean()) {
                device = TestDevice.open(1);
                try {
                    run = new Run(subject, device);
                    return;
                } catch (TestAbortedException e) {
                    device.close(); // what a GPU does not compute goes on on the CPU
                }
            }
            Device.Isa[] sets = Device.Isa.values();
            device = Device.cpu(1 + random.nextInt(4), sets[random.nextInt(BEST.ordinal() + 1)]);
            run = new Run(subject, device);
        }

        /** Loses everything that is not saved, and goes on elsewhere; answers the last step taken. */
        int reopen(Path file) throws IOException {
            close();
            open();
            if (!Files.exists(file)) {
                return 0;
            }
            run.problem.spoilWeights();
            run.optimizer.load(file);
            return (int) run.optimizer.steps();
        }

        void close() {
            run.close();
            device.close();
        }
    }
}
