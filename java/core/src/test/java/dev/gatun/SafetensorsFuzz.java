package dev.gatun;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * What Jazzer calls to fuzz the header of safetensors: the first two bytes are how much data stands behind it, the rest
 * is the header. See {@link FuzzCorpusTest}.
 */
public final class SafetensorsFuzz {
    private SafetensorsFuzz() {}

    /** Reads it; a header that is accepted says the same once it is printed and read again. */
    public static void fuzzerTestOneInput(byte[] input) throws CheckpointException {
        if (input.length < 2) {
            return;
        }
        long dataBytes = (input[0] & 0xff) + 256L * (input[1] & 0xff);
        byte[] json = Arrays.copyOfRange(input, 2, input.length);
        SafetensorsHeader header;
        try {
            header = SafetensorsHeader.read(json, dataBytes);
        } catch (CheckpointException e) {
            return;
        }
        byte[] printed = header.print().getBytes(StandardCharsets.UTF_8);
        SafetensorsHeader again = SafetensorsHeader.read(printed, dataBytes);
        if (!again.equals(header)) {
            throw new AssertionError(header + " is read as " + again + " once it was printed");
        }
    }
}
