package dev.gatun;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What Jazzer calls to fuzz the reader of checkpoints: the input is a header's JSON, a zero byte and data. It is read as a
 * file of its own, then with right checksums, which no fuzzer would guess, and then loaded. See {@link FuzzCorpusTest}.
 */
public final class CheckpointFuzz {
    /** What its seeds are checkpoints of. */
    static final String RULE = "ema(sgd(lr=0.5, momentum=0.5), tau=0.5)";

    private static final float UNTOUCHED = 7;

    private static final ThreadLocal<CheckpointFuzz> FUZZ = ThreadLocal.withInitial(CheckpointFuzz::new);

    private final Path file;
    private final Optimizer optimizer;

    private CheckpointFuzz() {
        try {
            file = Files.createTempFile("gatun-fuzz", ".safetensors");
            file.toFile().deleteOnExit();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        optimizer = Optimizer.of(
                Device.cpu(1),
                Rule.parse(RULE),
                List.of(
                        Parameter.of("w0", Tensor.allocate(Arena.ofAuto(), DType.F32, 2)),
                        Parameter.of("w1", Tensor.allocate(Arena.ofAuto(), DType.F32, 2, 1))));
    }

    /** Reads and loads it: a {@link CheckpointException} that leaves everything as it was, or a checkpoint. */
    public static void fuzzerTestOneInput(byte[] input) throws IOException {
        FUZZ.get().fuzz(input);
    }

    /** Whether it comes to be loaded: so that a corpus of nothing but rejects is noticed. */
    static boolean loads(byte[] input) throws IOException {
        return FUZZ.get().fuzz(input);
    }

    private boolean fuzz(byte[] input) throws IOException {
        isRead(input);
        int zero = 0;
        while (zero < input.length && input[zero] != 0) {
            zero++;
        }
        byte[] json = Arrays.copyOf(input, zero);
        byte[] data = Arrays.copyOfRange(input, Math.min(zero + 1, input.length), input.length);
        isRead(join(withLength(json), data));
        SafetensorsHeader header;
        try {
            header = SafetensorsHeader.read(json, data.length);
        } catch (CheckpointException e) {
            return false;
        }
        return isRead(join(sealed(header, data), data)) && load();
    }

    private boolean isRead(byte[] bytes) throws IOException {
        Files.deleteIfExists(file); // a new file: what is mapped stays, and ext4 waits for the disk after a truncation
        Files.write(file, bytes);
        try {
            Safetensors tensors = Safetensors.read(file);
            for (String name : tensors.names()) {
                touch(tensors, name);
            }
            Checkpoint.read(file).rules();
            return true;
        } catch (CheckpointException e) {
            return false;
        }
    }

    /** A tensor whose type is one of safetensors' and none of ours is refused by itself. */
    private static void touch(Safetensors tensors, String name) {
        try {
            Tensor tensor = tensors.tensor(name);
            if (tensor.length() > 0) {
                tensor.get(tensor.length() - 1);
            }
        } catch (IllegalArgumentException e) {
            if (!e.getMessage().contains("are read")) {
                throw e;
            }
        }
    }

    private boolean load() throws IOException {
        for (Parameter parameter : optimizer.parameters()) {
            for (long i = 0; i < 2; i++) {
                parameter.weight().set(i, UNTOUCHED);
            }
        }
        long steps = optimizer.steps();
        long[] taken = optimizer.stepsTaken();
        try {
            optimizer.load(file);
        } catch (CheckpointException e) {
            boolean untouched = optimizer.steps() == steps && Arrays.equals(optimizer.stepsTaken(), taken);
            for (Parameter parameter : optimizer.parameters()) {
                untouched &= parameter.weight().get(0) == UNTOUCHED
                        && parameter.weight().get(1) == UNTOUCHED;
            }
            if (!untouched) {
                throw new AssertionError("what was refused has changed something", e);
            }
            return false;
        }
        Checkpoint loaded = Checkpoint.read(file);
        optimizer.save(file, true, UNSYNCED);
        Checkpoint saved = Checkpoint.read(file);
        if (saved.steps() != loaded.steps()
                || !saved.groupSteps().equals(loaded.groupSteps())
                || !saved.parameters().equals(loaded.parameters())) {
            throw new AssertionError("what was loaded is saved as something else");
        }
        return true;
    }

    /** A save without waiting for the disk, thousands of times. */
    private static final FileCalls UNSYNCED = new FileCalls() {
        @Override
        public void force(FileChannel channel) {}

        @Override
        public void forceFolder(Path folder) {}
    };

    /** The header with checksums that are right. */
    private static byte[] sealed(SafetensorsHeader header, byte[] data) {
        Map<String, String> metadata = new LinkedHashMap<>(header.metadata());
        metadata.keySet().removeIf(key -> key.startsWith(Checksums.KEY));
        header.entries().forEach((name, entry) -> {
            byte[] bytes = Arrays.copyOfRange(data, (int) entry.begin(), (int) entry.end());
            metadata.put(Checksums.keyOf(name), Checksums.of(MemorySegment.ofArray(bytes)));
        });
        metadata.put(Checksums.KEY, Checksums.ZEROS);
        byte[] bytes = Safetensors.headerBytes(new SafetensorsHeader(metadata, header.entries()));
        Checksums.seal(bytes);
        return bytes;
    }

    private static byte[] withLength(byte[] json) {
        return ByteBuffer.allocate(8 + json.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json)
                .array();
    }

    private static byte[] join(byte[] a, byte[] b) {
        byte[] joined = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, joined, a.length, b.length);
        return joined;
    }
}
