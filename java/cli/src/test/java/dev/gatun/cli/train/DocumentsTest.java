package dev.gatun.cli.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.gatun.cli.BadInput;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DocumentsTest {
    @TempDir
    private Path folder;

    private static byte[] zip(String... namesAndTexts) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            for (int i = 0; i < namesAndTexts.length; i += 2) {
                zip.putNextEntry(new ZipEntry(namesAndTexts[i]));
                zip.write(namesAndTexts[i + 1].getBytes(StandardCharsets.UTF_8));
            }
        }
        return bytes.toByteArray();
    }

    @Test
    void aFileIsCutIntoPiecesThatMakeItUp() throws IOException {
        String text = "one line\r\n".repeat(500);
        Path file = Files.writeString(folder.resolve("a.txt"), text);
        Documents documents = Documents.of(file);
        assertThat(documents.texts()).hasSize(200);
        assertThat(String.join("", documents.texts())).isEqualTo(text.replace("\r\n", "\n"));
    }

    @Test
    void aFolderInTheOrderOfItsNamesWithoutBinaryAndHiddenFiles() throws IOException {
        Files.createDirectories(folder.resolve("b/.git"));
        Files.writeString(folder.resolve("b/two.txt"), "two");
        Files.writeString(folder.resolve("a.txt"), "one");
        Files.writeString(folder.resolve("b/.git/config"), "hidden");
        Files.write(folder.resolve("c.bin"), new byte[] {(byte) 0xff, (byte) 0xfe, 1});
        Files.write(folder.resolve("d.bin"), new byte[] {'a', 0, 'b'});
        assertThat(Documents.of(folder).texts()).containsExactly("one", "two");
    }

    @Test
    void aZipInTheOrderOfItsNames() throws IOException {
        Path file = Files.write(folder.resolve("texts.zip"), zip("b", "two", "a", "one"));
        assertThat(Documents.of(file).texts()).containsExactly("one", "two");
    }

    @Test
    void missingFile() {
        assertThatThrownBy(() -> Documents.of(folder.resolve("none.txt")))
                .isInstanceOf(BadInput.class)
                .hasMessageContaining("none.txt: no such file; pass a text file, a folder of text files or a zip");
    }

    @Test
    void damagedZips() throws IOException {
        byte[] whole = zip("a", "some text ".repeat(100), "b", "more text ".repeat(100));
        Path cut = Files.write(folder.resolve("cut.zip"), Arrays.copyOf(whole, whole.length / 2));
        byte[] flipped = whole.clone();
        flipped[45] ^= 0x55; // in the compressed data of the first entry
        Path broken = Files.write(folder.resolve("broken.zip"), flipped);
        Path empty = Files.write(folder.resolve("empty.zip"), new byte[0]);
        for (Path file : new Path[] {cut, broken, empty}) {
            assertThatThrownBy(() -> Documents.of(file))
                    .isInstanceOf(BadInput.class)
                    .hasMessageContaining(file + ": damaged zip (")
                    .hasMessageEndingWith("fetch or make it again");
        }
    }

    @Test
    void nothingToRead() throws IOException {
        Path binary = Files.write(folder.resolve("a.bin"), new byte[] {(byte) 0xff, 1, 2});
        assertThatThrownBy(() -> Documents.of(binary))
                .isInstanceOf(BadInput.class)
                .hasMessageContaining("not a UTF-8 text");
        assertThatThrownBy(() -> Documents.of(folder))
                .isInstanceOf(BadInput.class)
                .hasMessageContaining("no UTF-8 text file in it");
    }

    @Test
    void theLeadingCommentGoes() {
        assertThat(Documents.withoutLicence("/* Copyright */\npackage a; /* b */"))
                .isEqualTo("\npackage a; /* b */");
        assertThat(Documents.withoutLicence("package a;")).isEqualTo("package a;");
        assertThat(Documents.withoutLicence("/* never ends")).isEqualTo("/* never ends");
    }

    @Test
    void aJdkWithoutSourcesSaysWhatToPass() throws IOException {
        String home = System.getProperty("java.home");
        System.setProperty("java.home", folder.toString());
        try {
            assertThatThrownBy(Documents::ofJdk)
                    .isInstanceOf(BadInput.class)
                    .hasMessageContaining(folder.resolve("lib/src.zip").toString())
                    .hasMessageContaining("pass a text with --data FILE|DIR|ZIP");
        } finally {
            System.setProperty("java.home", home);
        }
    }
}
