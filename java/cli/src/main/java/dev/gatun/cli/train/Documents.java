package dev.gatun.cli.train;

import dev.gatun.cli.BadInput;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;

/**
 * The texts to learn from, in the order of their names.
 *
 * @param origin where they come from, for people
 * @param texts one string per file; files that are not UTF-8 text are left out
 */
record Documents(String origin, List<String> texts) {
    /** All text is held in memory; decoding this much in one file needs 0.7 GB of the 1 GB heap. */
    private static final long MOST_BYTES = 128L << 20;

    /** A single file is cut into this many pieces, so that a split by documents has something to split. */
    private static final int PIECES = 200;

    /** The sources of module java.base that come with the running JDK, without the licence that heads each of them. */
    static Documents ofJdk() throws IOException {
        Path sources = Path.of(System.getProperty("java.home"), "lib", "src.zip");
        if (!Files.isRegularFile(sources)) {
            throw new BadInput(
                    "the running JDK has no sources at " + sources + " to train on; pass a text with"
                            + " --data FILE|DIR|ZIP, or use a JDK with lib/src.zip (Debian and Ubuntu: package openjdk-25-source)");
        }
        Documents documents = ofZip(sources, name -> name.startsWith("java.base/") && name.endsWith(".java"));
        List<String> code =
                documents.texts.stream().map(Documents::withoutLicence).toList();
        String version = System.getProperty("java.runtime.version");
        return new Documents("Java sources of module java.base, JDK " + version, code);
    }

    /** A text file, every text file in a folder, or every text file in a zip. */
    static Documents of(Path path) throws IOException {
        if (!Files.exists(path)) {
            throw new BadInput("--data " + path + ": no such file; pass a text file, a folder of text files or a zip");
        }
        if (!Files.isReadable(path)) {
            throw new BadInput("--data " + path + ": not readable; check the permissions");
        }
        if (Files.isDirectory(path)) {
            return ofFolder(path);
        }
        if (isZip(path)) {
            return ofZip(path, name -> true);
        }
        String text = decode(read(path));
        if (text == null) {
            throw new BadInput(
                    "--data " + path + ": not a UTF-8 text; pass a text file, a folder of text files or a zip");
        }
        return new Documents(path.toString(), pieces(text));
    }

    private static Documents ofFolder(Path folder) throws IOException {
        List<String> texts = new ArrayList<>();
        long bytes = 0;
        List<Path> files;
        try (Stream<Path> walk = Files.walk(folder)) {
            files = walk.filter(Files::isRegularFile)
                    .filter(file -> !hidden(folder.relativize(file)))
                    .sorted(Comparator.comparing(file -> folder.relativize(file).toString()))
                    .toList();
        }
        for (Path file : files) {
            bytes += Files.size(file);
            requireRoom(folder, bytes);
            add(texts, decode(read(file)));
        }
        return whole(folder, texts);
    }

    private static Documents ofZip(Path file, Predicate<String> wanted) throws IOException {
        List<String> texts = new ArrayList<>();
        long bytes = 0;
        try (ZipFile zip = new ZipFile(file.toFile())) {
            List<? extends ZipEntry> entries = zip.stream()
                    .filter(entry -> !entry.isDirectory() && wanted.test(entry.getName()))
                    .sorted(Comparator.comparing(ZipEntry::getName))
                    .toList();
            for (ZipEntry entry : entries) {
                try (InputStream in = zip.getInputStream(entry)) {
                    // Not the size the zip claims: a small file may unpack to anything.
                    byte[] content = in.readNBytes((int) Math.min(Integer.MAX_VALUE - 8, MOST_BYTES - bytes + 1));
                    bytes += content.length;
                    requireRoom(file, bytes);
                    add(texts, decode(content));
                }
            }
        } catch (ZipException | IllegalArgumentException damaged) {
            throw new BadInput(file + ": damaged zip (" + damaged.getMessage() + "); fetch or make it again", damaged);
        } catch (java.io.EOFException damaged) {
            throw new BadInput(file + ": damaged zip (it ends too early); fetch or make it again", damaged);
        }
        return whole(file, texts);
    }

    private static Documents whole(Path path, List<String> texts) {
        if (texts.isEmpty()) {
            throw new BadInput(
                    "--data " + path + ": no UTF-8 text file in it; pass a text file, a folder of text files or a zip");
        }
        return new Documents(path.toString(), texts.size() == 1 ? pieces(texts.getFirst()) : texts);
    }

    private static void requireRoom(Path path, long bytes) {
        if (bytes > MOST_BYTES) {
            throw new BadInput(
                    "--data " + path + ": more than " + (MOST_BYTES >> 20) + " MiB of text; pass a part of it");
        }
    }

    private static byte[] read(Path file) throws IOException {
        requireRoom(file, Files.size(file));
        return Files.readAllBytes(file);
    }

    private static void add(List<String> texts, String text) {
        if (text != null && !text.isBlank()) {
            texts.add(text);
        }
    }

    /** The text with line feeds only, or null if the bytes are not UTF-8 text. */
    private static String decode(byte[] bytes) {
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
            if (text.indexOf('\0') >= 0) {
                return null;
            }
            return text.indexOf('\r') < 0 ? text : text.replace("\r\n", "\n");
        } catch (CharacterCodingException binary) {
            return null;
        }
    }

    static String withoutLicence(String source) {
        int end = source.startsWith("/*") ? source.indexOf("*/", 2) : -1;
        return end < 0 ? source : source.substring(end + 2);
    }

    private static List<String> pieces(String text) {
        List<String> pieces = new ArrayList<>();
        for (int i = 0; i < PIECES; i++) {
            int from = (int) ((long) text.length() * i / PIECES);
            int to = (int) ((long) text.length() * (i + 1) / PIECES);
            add(pieces, text.substring(from, to));
        }
        return pieces;
    }

    private static boolean hidden(Path relative) {
        for (Path part : relative) {
            if (part.toString().startsWith(".")) {
                return true;
            }
        }
        return false;
    }

    private static boolean isZip(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            byte[] start = in.readNBytes(4);
            boolean signature = start.length == 4 && start[0] == 'P' && start[1] == 'K';
            // A zip whose first bytes are damaged should be called a damaged zip, not a strange text.
            return signature
                    || file.toString().endsWith(".zip")
                    || file.toString().endsWith(".jar");
        }
    }
}
