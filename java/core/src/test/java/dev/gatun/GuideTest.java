package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.bindings.NativeLibrary;
import dev.gatun.docs.GuidePage;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The user guide: its programs compile, run and print what the pages say, and its links lead somewhere. */
class GuideTest {
    private static final Path ROOT = Path.of("../..");
    private static final Pattern LINK = Pattern.compile("\\]\\(([^)#:]+)(#[^)]*)?\\)");

    @TempDir
    Path folder;

    /** Runs all programs of a page; what they printed. */
    private String run(String name, int programs) throws Exception {
        GuidePage page = GuidePage.read(name);
        assertThat(page.programs()).as("programs of %s", name).isEqualTo(programs);
        String places = ChildJvm.place(Optimizer.class) + File.pathSeparator + ChildJvm.place(NativeLibrary.class);
        StringBuilder output = new StringBuilder();
        for (int i = 0; i < programs; i++) {
            output.append(page.run(i, folder, places));
        }
        return output.toString();
    }

    @Test
    void gettingStarted() throws Exception {
        String output = run("getting-started.md", 1);
        assertThat(output).contains("StepReport[step=300", "skipped=false");
        assertThat(Double.parseDouble(output.strip().replaceAll("(?s).* ", ""))).isBetween(4.9, 5.1);
        assertThat(Checkpoint.read(folder.resolve("run.safetensors")).steps()).isEqualTo(300);
    }

    @Test
    void choosingAnOptimizer() throws Exception {
        assertThat(run("choosing-an-optimizer.md", 1))
                .contains(
                        "adamw(weight_decay=0.1): state [m, v], 32 bytes",
                        "clip(sing(lr=0.01)): state [m, v, slow]",
                        "'beta'",
                        "beta1",
                        "parameters 3");
    }

    @Test
    void everySpecificationOnThePageIsOne() throws Exception {
        String page = Files.readString(ROOT.resolve("docs/choosing-an-optimizer.md"));
        List<String> specifications = Pattern.compile("`([a-z_]+\\([^`]*\\))`")
                .matcher(page)
                .results()
                .map(match -> match.group(1).replace("RULE", "adamw").replace("...", "lr=0.1"))
                .filter(text -> !text.endsWith("()")) // a method's name
                .toList();
        assertThat(specifications).hasSizeGreaterThan(15);
        specifications.forEach(Rule::parse);
    }

    @Test
    void cuda() throws Exception {
        assertThat(run("cuda.md", 2)).containsPattern("(?m)^C(PU|UDA) \\(").contains("weight 0.99");
    }

    @Test
    void writingAnAdapter() throws Exception {
        String output = run("writing-an-adapter.md", 1);
        assertThat(output).startsWith("after 200 steps ");
        assertThat(Double.parseDouble(output.strip().replaceAll("(?s).* ", ""))).isBetween(1.9, 2.1);
        assertThat(Checkpoint.read(folder.resolve("net.safetensors")).steps()).isEqualTo(200);
    }

    @Test
    void numerics() throws Exception {
        assertThat(run("numerics.md", 1)).contains("different results: 1");
    }

    /** What it shows of the sources is what they are. */
    @Test
    void addingAnOptimizer() throws IOException {
        String page = Files.readString(ROOT.resolve("docs/adding-an-optimizer.md"));
        for (String[] block : new String[][] {
            {"cpp", "native/rules/generic_adam.h"}, {"c", "native/include/gatun.h"},
        }) {
            var match = Pattern.compile("```" + block[0] + "\\n(.*?)```", Pattern.DOTALL)
                    .matcher(page);
            assertThat(match.find()).isTrue();
            String shown = match.group(1).replaceAll("\\s+", " ").strip();
            assertThat(Files.readString(ROOT.resolve(block[1])).replaceAll("[\\s\\\\]+", " "))
                    .contains(shown);
        }
    }

    static List<Path> pages() throws IOException {
        try (Stream<Path> docs = Files.walk(ROOT.resolve("docs"))) {
            return Stream.concat(
                            docs.filter(path -> path.toString().endsWith(".md")), Stream.of(ROOT.resolve("README.md")))
                    .toList();
        }
    }

    @Test
    void theIndexHasEveryPage() throws IOException {
        String index = Files.readString(ROOT.resolve("docs/README.md"));
        try (Stream<Path> pages = Files.list(ROOT.resolve("docs"))) {
            pages.map(page -> page.getFileName().toString())
                    .filter(name -> name.endsWith(".md") && !name.equals("README.md"))
                    .forEach(name -> assertThat(index).contains("](" + name + ")"));
        }
    }

    @ParameterizedTest
    @MethodSource("pages")
    void linksLeadSomewhere(Path page) throws IOException {
        LINK.matcher(Files.readString(page))
                .results()
                .forEach(link -> assertThat(page.resolveSibling(link.group(1))).exists());
    }
}
