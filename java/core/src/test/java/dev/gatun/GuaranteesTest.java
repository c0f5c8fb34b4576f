package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The page of guarantees speaks of tests that exist, and leaves no row out. */
class GuaranteesTest {
    private static final Path ROOT = Path.of("../..");
    private static final Path PAGE = ROOT.resolve("docs/GUARANTEES.md");

    /** Rows of a letter: A1 to A7, ... */
    private static final Map<String, Integer> ROWS = Map.of("N", 6, "A", 7, "B", 4, "C", 3, "D", 8, "E", 5, "F", 8);

    private static final Pattern METHOD = Pattern.compile("`([A-Z]\\w+)\\.(\\w+)`");
    private static final Pattern FILE = Pattern.compile("[`(]((?:\\.?[\\w-]+/)+[\\w.-]+)[`)]");

    @Test
    void everyTestAndFileItNamesExists() throws IOException {
        String page = Files.readString(PAGE);
        Map<String, Path> classes = testClasses();
        List<String> named = METHOD.matcher(page)
                .results()
                .map(match -> missing(classes, match.group(1), match.group(2)))
                .toList();
        assertThat(named).as("tests named").hasSizeGreaterThan(50);
        assertThat(named).as("tests that are not there").containsOnly("");
        Matcher files = FILE.matcher(page);
        int count = 0;
        for (; files.find(); count++) {
            String file = files.group(1);
            Path path = file.startsWith("decisions/") ? ROOT.resolve("docs").resolve(file) : ROOT.resolve(file);
            assertThat(path).exists();
        }
        assertThat(count).as("files named").isGreaterThan(10);
    }

    /** Empty, or what is not there. */
    private static String missing(Map<String, Path> classes, String type, String method) {
        Path file = classes.get(type);
        try {
            boolean there = file != null
                    && Pattern.compile("[\\w>] " + method + "\\(")
                            .matcher(Files.readString(file))
                            .find();
            return there ? "" : type + "." + method;
        } catch (IOException e) {
            throw new AssertionError(file + " cannot be read", e);
        }
    }

    private static Map<String, Path> testClasses() throws IOException {
        Map<String, Path> classes = new HashMap<>();
        for (String module : List.of("bindings", "java/core", "java/cli", "java/djl", "java/dl4j")) {
            try (Stream<Path> files = Files.walk(ROOT.resolve(module).resolve("src/test/java"))) {
                files.filter(file -> file.toString().endsWith(".java"))
                        .forEach(file ->
                                classes.put(file.getFileName().toString().replace(".java", ""), file));
            }
        }
        return classes;
    }

    @Test
    void everyRowIsThereOnceAndSaysWhatShowsIt() throws IOException {
        TreeSet<String> expected = new TreeSet<>();
        ROWS.forEach((letter, last) ->
                IntStream.rangeClosed(1, last).mapToObj(n -> letter + n).forEach(expected::add));
        List<String> rows = Files.readAllLines(PAGE).stream()
                .filter(line -> line.matches("\\| [A-Z][0-9] \\|.*"))
                .toList();
        assertThat(rows).extracting(row -> row.substring(2, 4)).containsExactlyInAnyOrderElementsOf(expected);
        for (String row : rows) {
            String[] cells = row.split("\\|");
            boolean shown = !cells[cells.length - 1].isBlank();
            assertThat(shown || row.contains("not yet") || row.contains("not run yet"))
                    .as("%s says what shows it, or that nothing does", row)
                    .isTrue();
        }
    }
}
