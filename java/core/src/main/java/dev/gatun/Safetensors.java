package dev.gatun;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A file of named tensors in the safetensors format: 8 bytes with the length of the header, the header in JSON, the
 * data. Reading maps the file and copies nothing; nothing in it is trusted: the header's length and syntax, and every
 * tensor's size and place are checked first. Writing replaces a file in one instant.
 */
public final class Safetensors {
    /** The format's own limit for a header. */
    static final long LARGEST_HEADER = 100_000_000;

    static final ValueLayout.OfLong LENGTH = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Path file;
    private final MemorySegment headerBytes;
    private final MemorySegment data;
    private final SafetensorsHeader header;

    private Safetensors(Path file, MemorySegment headerBytes, MemorySegment data, SafetensorsHeader header) {
        this.file = file;
        this.headerBytes = headerBytes;
        this.data = data;
        this.header = header;
    }

    /**
     * Maps a file and checks its header. The mapping lives as long as tensors of it are used; a file that is replaced
     * meanwhile, as {@link #write} does it, keeps its old content here.
     *
     * @throws CheckpointException with the reason, if it is damaged or not safetensors
     * @throws IOException if it cannot be opened
     */
    public static Safetensors read(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long size = channel.size();
            if (size < 8) {
                throw new CheckpointException("it has " + size + " bytes, too few for safetensors");
            }
            MemorySegment bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, size, Arena.ofAuto());
            long length = bytes.get(LENGTH, 0);
            if (length < 2 || length > Math.min(LARGEST_HEADER, size - 8)) {
                throw new CheckpointException("its header should have " + Long.toUnsignedString(length)
                        + " bytes, and the file has " + size + ": it is cut short or not safetensors");
            }
            MemorySegment json = bytes.asSlice(8, length);
            MemorySegment data = bytes.asSlice(8 + length);
            SafetensorsHeader header = SafetensorsHeader.read(json.toArray(ValueLayout.JAVA_BYTE), data.byteSize());
            return new Safetensors(file, bytes.asSlice(0, 8 + length), data, header);
        } catch (CheckpointException e) {
            throw new CheckpointException(file + ": " + e.getMessage(), e);
        }
    }

    /** Where it was read from. */
    public Path file() {
        return file;
    }

    /** The strings in the file's {@code __metadata__}. */
    public Map<String, String> metadata() {
        return Collections.unmodifiableMap(header.metadata());
    }

    /** The names of the tensors, in the order of the file. */
    public Set<String> names() {
        return Collections.unmodifiableSet(header.entries().keySet());
    }

    /**
     * A read-only tensor in host memory: a view of the file, or a copy where the file has it unaligned.
     *
     * @throws IllegalArgumentException if there is none of the name, or its type is not a {@link DType}
     */
    public Tensor tensor(String name) {
        SafetensorsHeader.Entry entry = entry(name);
        DType dtype = Arrays.stream(DType.values())
                .filter(type -> type.name().equals(entry.dtype()))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("tensor '" + name + "' of " + file + " is "
                        + entry.dtype() + "; only " + Arrays.toString(DType.values()) + " are read"));
        MemorySegment memory = bytes(name);
        if (memory.address() % dtype.bytes() != 0) {
            memory = Arena.ofAuto()
                    .allocate(memory.byteSize(), dtype.bytes())
                    .copyFrom(memory)
                    .asReadOnly();
        }
        return Tensor.of(memory, dtype, shape(name));
    }

    /** A tensor's type as the file spells it: F32, BF16, I64, ... */
    public String type(String name) {
        return entry(name).dtype();
    }

    /** A tensor's sizes, whatever its type. */
    public long[] shape(String name) {
        return entry(name).shape().stream().mapToLong(Long::longValue).toArray();
    }

    /** The bytes of a tensor, whatever its type, as they lie in the file; read-only. */
    public MemorySegment bytes(String name) {
        SafetensorsHeader.Entry entry = entry(name);
        return data.asSlice(entry.begin(), entry.end() - entry.begin());
    }

    private SafetensorsHeader.Entry entry(String name) {
        SafetensorsHeader.Entry entry = header.entries().get(name);
        if (entry == null) {
            throw new IllegalArgumentException(
                    file + " has no tensor '" + name + "'" + Nearest.hint(name, List.copyOf(names())));
        }
        return entry;
    }

    /**
     * Writes tensors of host memory, replacing a file of that name in one instant: the content is written aside in the
     * same folder, synced, renamed, and the folder synced.
     */
    public static void write(Path file, Map<String, String> metadata, Map<String, Tensor> tensors) throws IOException {
        SafetensorsHeader header = describe(metadata, tensors);
        AtomicFile.replace(file, content(headerBytes(header), header, tensors), FileCalls.SYSTEM);
    }

    /** The length and the header as they stand in the file. */
    MemorySegment headerBytes() {
        return headerBytes;
    }

    /** Lays tensors out: larger elements first, so that all are aligned. */
    static SafetensorsHeader describe(Map<String, String> metadata, Map<String, Tensor> tensors) {
        Map<String, SafetensorsHeader.Entry> entries = new LinkedHashMap<>();
        List<Map.Entry<String, Tensor>> ordered = tensors.entrySet().stream()
                .sorted(Comparator.comparing(e -> -e.getValue().dtype().bytes()))
                .toList();
        long at = 0;
        for (Map.Entry<String, Tensor> e : ordered) {
            Tensor tensor = e.getValue();
            if (e.getKey().equals(SafetensorsHeader.METADATA)) {
                throw new IllegalArgumentException(
                        "a tensor cannot have the name '" + SafetensorsHeader.METADATA + "'");
            }
            if (tensor.location() != Device.Kind.CPU) {
                throw new IllegalArgumentException(
                        "tensor '" + e.getKey() + "' is on " + tensor.location() + ": copy it to host memory first");
            }
            List<Long> shape = new ArrayList<>();
            for (long size : tensor.shape()) {
                shape.add(size);
            }
            long end = at + tensor.memory().byteSize();
            entries.put(e.getKey(), new SafetensorsHeader.Entry(tensor.dtype().name(), shape, at, end));
            at = end;
        }
        return new SafetensorsHeader(metadata, entries);
    }

    /** The length and the header, filled with spaces so that the data begins at a multiple of 8. */
    static byte[] headerBytes(SafetensorsHeader header) {
        byte[] json = header.print().getBytes(StandardCharsets.UTF_8);
        int length = Math.ceilDiv(json.length, 8) * 8;
        if (length > LARGEST_HEADER) {
            throw new IllegalArgumentException("the header would have " + length + " bytes, and safetensors allows "
                    + LARGEST_HEADER + ": save fewer or shorter names");
        }
        byte[] bytes = new byte[8 + length];
        MemorySegment.ofArray(bytes).set(LENGTH, 0, length);
        System.arraycopy(json, 0, bytes, 8, json.length);
        Arrays.fill(bytes, 8 + json.length, bytes.length, (byte) ' ');
        return bytes;
    }

    /** The file's content, piece by piece. */
    static List<MemorySegment> content(byte[] headerBytes, SafetensorsHeader header, Map<String, Tensor> tensors) {
        List<MemorySegment> content = new ArrayList<>();
        content.add(MemorySegment.ofArray(headerBytes));
        for (String name : header.entries().keySet()) {
            content.add(tensors.get(name).memory());
        }
        return content;
    }
}
