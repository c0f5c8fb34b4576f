package dev.gatun;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.zip.CRC32C;

/**
 * CRC32C of tensors and of the header. The header's stands in itself; it is computed with eight zeros in its place.
 */
final class Checksums {
    /** The metadata key of the header's checksum; a tensor's has a slash and the tensor's name behind it. */
    static final String KEY = "crc32c";

    /** What stands where the header's checksum will: a quote cannot stand unescaped within any name. */
    private static final byte[] PLACE = ("\"" + KEY + "\":\"").getBytes(StandardCharsets.UTF_8);

    static final String ZEROS = "00000000";
    private static final long PIECE = 1L << 30;

    private Checksums() {}

    /** The checksum in lower-case hexadecimal. */
    static String of(MemorySegment bytes) {
        CRC32C crc = new CRC32C();
        for (long at = 0; at < bytes.byteSize(); at += PIECE) {
            crc.update(bytes.asSlice(at, Math.min(PIECE, bytes.byteSize() - at)).asByteBuffer());
        }
        return HexFormat.of().toHexDigits((int) crc.getValue());
    }

    static String keyOf(String tensor) {
        return KEY + "/" + tensor;
    }

    /** Puts the checksum into a header that has {@link #ZEROS} in its place. */
    static void seal(byte[] header) {
        byte[] digits = of(MemorySegment.ofArray(header)).getBytes(StandardCharsets.UTF_8);
        System.arraycopy(digits, 0, header, place(header), digits.length);
    }

    /** Checks a header's checksum. */
    static void verify(byte[] header) throws CheckpointException {
        int place = place(header);
        if (place < 0 || place + ZEROS.length() > header.length) {
            throw new CheckpointException("its header has no checksum");
        }
        String stored = new String(header, place, ZEROS.length(), StandardCharsets.ISO_8859_1);
        byte[] zeroed = header.clone();
        System.arraycopy(ZEROS.getBytes(StandardCharsets.UTF_8), 0, zeroed, place, ZEROS.length());
        String computed = of(MemorySegment.ofArray(zeroed));
        if (!computed.equals(stored)) {
            throw new CheckpointException(
                    "its header is damaged: checksum " + computed + ", but it was saved with " + stored);
        }
    }

    private static int place(byte[] header) {
        search:
        for (int i = 0; i + PLACE.length <= header.length; i++) {
            for (int j = 0; j < PLACE.length; j++) {
                if (header[i + j] != PLACE[j]) {
                    continue search;
                }
            }
            return i + PLACE.length;
        }
        return -1;
    }
}
