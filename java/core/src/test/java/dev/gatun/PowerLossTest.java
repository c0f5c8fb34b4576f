package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The power fails after each call of three saves, on a model of a disk that keeps for certain only what was synced: of
 * a file's unsynced bytes none, half, all or zeros in their place, of the folder's unsynced changes the first n.
 */
class PowerLossTest {
    private static final int SAVES = 3;
    private static final Path NAME = Path.of("run.safetensors");

    @TempDir
    Path folder;

    /** A call in the order made; DONE stands where {@code save} has returned. */
    private record Call(Kind kind, Path file, byte[] bytes) {}

    private enum Kind {
        CREATE,
        WRITE,
        FORCE,
        MOVE,
        FORCE_FOLDER,
        DONE
    }

    private final List<Call> log = new ArrayList<>();
    /** The whole file after each save, and nothing before the first. */
    private final List<byte[]> whole = new ArrayList<>(Arrays.asList((byte[]) null));

    @BeforeEach
    void saveAndRecord() throws IOException {
        Path file = folder.resolve(NAME);
        try (Device device = Device.cpu(1);
                Arena arena = Arena.ofConfined()) {
            Tensor weight = Tensor.of(arena, new float[50]);
            try (Optimizer optimizer =
                    Optimizer.of(device, Sgd.of(1).withMomentum(0.9), List.of(Parameter.of("w", weight)))) {
                for (int save = 1; save <= SAVES; save++) {
                    weight.set(0, save);
                    optimizer.save(file, true, new Recording());
                    log.add(new Call(Kind.DONE, file, null));
                    whole.add(Files.readAllBytes(file));
                    assertThat(Checkpoint.read(file).weight("w").orElseThrow().get(0))
                            .isEqualTo(save);
                }
            }
        }
    }

    /** Does what it is asked for and writes it down. */
    private final class Recording implements FileCalls {
        private final Map<FileChannel, Path> open = new IdentityHashMap<>();

        @Override
        public FileChannel create(Path file) throws IOException {
            FileChannel channel = FileCalls.super.create(file);
            open.put(channel, file);
            log.add(new Call(Kind.CREATE, file, null));
            return channel;
        }

        @Override
        public int write(FileChannel channel, ByteBuffer bytes) throws IOException {
            byte[] piece = new byte[Math.min(bytes.remaining(), 311)];
            bytes.get(piece);
            log.add(new Call(Kind.WRITE, open.get(channel), piece));
            FileCalls.super.write(channel, ByteBuffer.wrap(piece));
            return piece.length;
        }

        @Override
        public void force(FileChannel channel) throws IOException {
            log.add(new Call(Kind.FORCE, open.get(channel), null));
            FileCalls.super.force(channel);
        }

        @Override
        public void move(Path from, Path to) throws IOException {
            log.add(new Call(Kind.MOVE, from, null));
            FileCalls.super.move(from, to);
        }

        @Override
        public void forceFolder(Path folder) throws IOException {
            log.add(new Call(Kind.FORCE_FOLDER, folder, null));
            FileCalls.super.forceFolder(folder);
        }
    }

    /** A file's bytes, however it is called. */
    private static final class Content {
        private byte[] written = {};
        private int synced;

        Set<ByteBuffer> afterPowerLoss() {
            byte[] zeros = Arrays.copyOf(Arrays.copyOf(written, synced), written.length);
            return new HashSet<>(List.of(
                    ByteBuffer.wrap(written, 0, synced).slice(),
                    ByteBuffer.wrap(written, 0, (synced + written.length) / 2).slice(),
                    ByteBuffer.wrap(written),
                    ByteBuffer.wrap(zeros)));
        }
    }

    /** What the disk may have under the checkpoint's name when the power fails now; null for no such file. */
    private static final class Disk {
        /** The folder as it was synced, and after each change since. */
        private List<Map<Path, Content>> folders = new ArrayList<>(List.of(Map.of()));

        void apply(Call call) {
            Map<Path, Content> entries = new HashMap<>(folders.getLast());
            Content content = entries.get(call.file);
            switch (call.kind) {
                case CREATE -> entries.put(call.file, new Content());
                case MOVE -> entries.put(call.file.resolveSibling(NAME), entries.remove(call.file));
                case WRITE -> {
                    int before = content.written.length;
                    content.written = Arrays.copyOf(content.written, before + call.bytes.length);
                    System.arraycopy(call.bytes, 0, content.written, before, call.bytes.length);
                }
                case FORCE -> content.synced = content.written.length;
                case FORCE_FOLDER -> folders = new ArrayList<>(List.of(folders.getLast()));
                case DONE -> {}
            }
            if (call.kind == Kind.CREATE || call.kind == Kind.MOVE) {
                folders.add(entries);
            }
        }

        Set<ByteBuffer> afterPowerLoss(Path file) {
            Set<ByteBuffer> possible = new HashSet<>();
            for (Map<Path, Content> entries : folders) {
                Content content = entries.get(file);
                possible.addAll(content == null ? Arrays.asList((ByteBuffer) null) : content.afterPowerLoss());
            }
            return possible;
        }
    }

    /** What goes wrong when the power fails at any moment of these calls; empty for nothing. */
    private List<String> losses(List<Call> calls) {
        List<String> losses = new ArrayList<>();
        Disk disk = new Disk();
        int acknowledged = 0;
        for (int n = 0; n < calls.size(); n++) {
            disk.apply(calls.get(n));
            acknowledged += calls.get(n).kind == Kind.DONE ? 1 : 0;
            for (ByteBuffer found : disk.afterPowerLoss(folder.resolve(NAME))) {
                int save = 0;
                while (save <= SAVES && !matches(save, found)) {
                    save++;
                }
                if (save > SAVES || save < acknowledged) {
                    losses.add("after call " + n + ", " + calls.get(n).kind + ": "
                            + (save > SAVES ? "a torn file" : "save " + save + " of " + acknowledged));
                }
            }
        }
        return losses;
    }

    private boolean matches(int save, ByteBuffer found) {
        return found == null
                ? whole.get(save) == null
                : whole.get(save) != null && found.equals(ByteBuffer.wrap(whole.get(save)));
    }

    @Test
    void whenThePowerFailsWhatWasSavedIsThereWhole() {
        assertThat(log).hasSizeGreaterThan(SAVES * 8);
        assertThat(losses(log)).isEmpty();
    }

    @Test
    void theModelNoticesWhatIsNotSynced() {
        assertThat(losses(without(call -> call.kind == Kind.FORCE)))
                .anyMatch(loss -> loss.endsWith("MOVE: a torn file"));
        assertThat(losses(without(call -> call.kind == Kind.FORCE_FOLDER)))
                .anyMatch(loss -> loss.endsWith("DONE: save 0 of 1"));
        assertThat(losses(synchronizedAfterTheMove())).anyMatch(loss -> loss.endsWith("a torn file"));
    }

    private List<Call> without(Predicate<Call> left) {
        return log.stream().filter(left.negate()).toList();
    }

    /** As if a file were renamed before it is synced. */
    private List<Call> synchronizedAfterTheMove() {
        List<Call> calls = new ArrayList<>();
        for (Call call : log) {
            switch (call.kind) {
                case FORCE -> {}
                case MOVE -> {
                    calls.add(call);
                    calls.add(new Call(Kind.FORCE, call.file.resolveSibling(NAME), null));
                }
                default -> calls.add(call);
            }
        }
        return calls;
    }
}
