package dev.gatun;

import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The header of a safetensors file: {@code {"__metadata__": {...}, "name": {"dtype": "F32", "shape": [2, 3],
 * "data_offsets": [0, 24]}, ...}}.
 *
 * @param metadata strings by name
 * @param entries tensors by name, in the order of the file
 */
record SafetensorsHeader(Map<String, String> metadata, Map<String, Entry> entries) {
    /** No published tensor has more dimensions, and it bounds what a hostile header can make us hold. */
    private static final int MOST_DIMENSIONS = 64;

    static final String METADATA = "__metadata__";

    /** Bytes of an element by the name of its type. */
    private static final Map<String, Integer> TYPES = Map.ofEntries(
            Map.entry("F64", 8),
            Map.entry("I64", 8),
            Map.entry("U64", 8),
            Map.entry("F32", 4),
            Map.entry("I32", 4),
            Map.entry("U32", 4),
            Map.entry("F16", 2),
            Map.entry("BF16", 2),
            Map.entry("I16", 2),
            Map.entry("U16", 2),
            Map.entry("F8_E4M3", 1),
            Map.entry("F8_E5M2", 1),
            Map.entry("I8", 1),
            Map.entry("U8", 1),
            Map.entry("BOOL", 1));

    /** A tensor's type, shape and place behind the header. */
    record Entry(String dtype, List<Long> shape, long begin, long end) {}

    /** Reads a header and checks that its tensors fill the data behind it exactly, without holes and overlaps. */
    static SafetensorsHeader read(byte[] utf8, long dataBytes) throws CheckpointException {
        JsonReader json = new JsonReader(utf8);
        Map<String, String> metadata = new LinkedHashMap<>();
        Map<String, Entry> entries = new HashMap<>();
        boolean described = false;
        json.expect('{');
        if (!json.take('}')) {
            do {
                String name = json.string();
                json.expect(':');
                if (name.equals(METADATA)) {
                    if (described) {
                        throw json.error(METADATA + " stands there twice");
                    }
                    described = true;
                    readMetadata(json, metadata);
                } else if (entries.put(name, readEntry(json, name)) != null) {
                    throw json.error("tensor '" + name + "' stands there twice");
                }
            } while (json.more('}'));
        }
        json.expectEnd();
        return new SafetensorsHeader(metadata, inOrder(entries, dataBytes));
    }

    private static void readMetadata(JsonReader json, Map<String, String> metadata) throws CheckpointException {
        json.expect('{');
        if (json.take('}')) {
            return;
        }
        do {
            String key = json.string();
            json.expect(':');
            if (metadata.put(key, json.string()) != null) {
                throw json.error("metadata '" + key + "' stands there twice");
            }
        } while (json.more('}'));
    }

    private static Entry readEntry(JsonReader json, String name) throws CheckpointException {
        String dtype = null;
        List<Long> shape = null;
        List<Long> offsets = null;
        json.expect('{');
        do {
            String key = json.string();
            json.expect(':');
            switch (key) {
                case "dtype" -> dtype = once(json, dtype, json.string());
                case "shape" -> shape = once(json, shape, readNumbers(json));
                case "data_offsets" -> offsets = once(json, offsets, readNumbers(json));
                default -> throw json.error("tensor '" + name + "' has an unknown key '" + key + "'");
            }
        } while (json.more('}'));
        if (dtype == null || shape == null || offsets == null || offsets.size() != 2) {
            throw json.error("tensor '" + name + "' needs dtype, shape and two data_offsets");
        }
        Entry entry = new Entry(dtype, shape, offsets.get(0), offsets.get(1));
        long bytes = bytes(entry, name);
        if (entry.end < entry.begin || entry.end - entry.begin != bytes) {
            throw new CheckpointException("tensor '" + name + "', " + dtype + " of shape " + shape + ", needs " + bytes
                    + " bytes, but its data_offsets are " + offsets);
        }
        return entry;
    }

    private static <T> T once(JsonReader json, T before, T value) throws CheckpointException {
        if (before != null) {
            throw json.error("a key stands there twice");
        }
        return value;
    }

    private static List<Long> readNumbers(JsonReader json) throws CheckpointException {
        long[] numbers = new long[MOST_DIMENSIONS];
        int count = 0;
        json.expect('[');
        if (!json.take(']')) {
            do {
                if (count == MOST_DIMENSIONS) {
                    throw json.error("there are more than " + MOST_DIMENSIONS + " numbers");
                }
                numbers[count++] = json.number();
            } while (json.more(']'));
        }
        return Arrays.stream(numbers, 0, count).boxed().toList();
    }

    private static long bytes(Entry entry, String name) throws CheckpointException {
        Integer each = TYPES.get(entry.dtype);
        if (each == null) {
            throw new CheckpointException("tensor '" + name + "' has the unknown type '" + entry.dtype + "'");
        }
        try {
            long bytes = each;
            for (long size : entry.shape.contains(0L) ? List.of(0L) : entry.shape) {
                bytes = Math.multiplyExact(bytes, size);
            }
            return bytes;
        } catch (ArithmeticException e) {
            throw new CheckpointException(
                    "tensor '" + name + "' of shape " + entry.shape + " is larger than any file", e);
        }
    }

    private static Map<String, Entry> inOrder(Map<String, Entry> entries, long dataBytes) throws CheckpointException {
        Map<String, Entry> ordered = new LinkedHashMap<>();
        List<Map.Entry<String, Entry>> list = entries.entrySet().stream()
                .sorted((a, b) -> a.getValue().begin != b.getValue().begin
                        ? Long.compare(a.getValue().begin, b.getValue().begin)
                        : Long.compare(a.getValue().end, b.getValue().end))
                .toList();
        long expected = 0;
        for (Map.Entry<String, Entry> e : list) {
            if (e.getValue().begin != expected) {
                throw new CheckpointException("tensor '" + e.getKey() + "' begins at byte " + e.getValue().begin
                        + " of the data, where " + expected + " is next");
            }
            expected = e.getValue().end;
            ordered.put(e.getKey(), e.getValue());
        }
        if (expected != dataBytes) {
            throw new CheckpointException(
                    "the tensors have " + expected + " bytes, and the file has " + dataBytes + " behind its header");
        }
        return ordered;
    }

    /** The header as JSON. */
    String print() {
        StringBuilder json = new StringBuilder("{\"" + METADATA + "\":{");
        String comma = "";
        for (Map.Entry<String, String> e : metadata.entrySet()) {
            json.append(comma);
            quote(e.getKey(), json);
            json.append(':');
            quote(e.getValue(), json);
            comma = ",";
        }
        json.append('}');
        for (Map.Entry<String, Entry> e : entries.entrySet()) {
            json.append(',');
            quote(e.getKey(), json);
            Entry entry = e.getValue();
            json.append(":{\"dtype\":\"")
                    .append(entry.dtype)
                    .append("\",\"shape\":")
                    .append(entry.shape.toString().replace(" ", ""))
                    .append(",\"data_offsets\":[")
                    .append(entry.begin)
                    .append(',')
                    .append(entry.end)
                    .append("]}");
        }
        return json.append('}').toString();
    }

    private static void quote(String string, StringBuilder json) {
        json.append('"');
        for (int i = 0; i < string.length(); i++) {
            char c = string.charAt(i);
            if (c == '"' || c == '\\') {
                json.append('\\').append(c);
            } else if (c < 0x20) {
                json.append(String.format("\\u%04x", (int) c));
            } else {
                json.append(c);
            }
        }
        json.append('"');
    }
}
