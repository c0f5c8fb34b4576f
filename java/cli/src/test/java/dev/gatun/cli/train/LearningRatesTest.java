package dev.gatun.cli.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.Rule;
import dev.gatun.cli.Main;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The committed searches are what the defaults come from, and a search finds what it should. */
class LearningRatesTest {
    private static final Path RESULTS = Path.of(System.getProperty("gatun.root"), "bench/results");

    @TempDir
    private Path folder;

    private static List<String> names(LearningRates rates) {
        return Entry.parse(rates.optimizers(), false).stream().map(Entry::name).toList();
    }

    @ParameterizedTest
    @ValueSource(strings = {"text-default", "images-default"})
    void theDefaultsAreThoseOfTheCommittedSearch(String name) throws IOException {
        String file = "learning-rates-" + name + ".json";
        try (InputStream in = LearningRates.class.getResourceAsStream(file)) {
            assertThat(in.readAllBytes())
                    .as("made by bench/lr-search/run")
                    .isEqualTo(Files.readAllBytes(RESULTS.resolve(file)));
        }
        ModelShape.Kind task = ModelShape.Kind.valueOf(name.split("-")[0].toUpperCase());
        LearningRates rates = LearningRates.of(ModelShape.parse(task, "default"));
        assertThat(names(rates))
                .isEqualTo(Entry.parse(String.join(";", RateSearch.COMPARED), false).stream()
                        .map(Entry::name)
                        .toList());
        for (LearningRates.Found found : rates.results()) {
            double lr = Rule.parse(found.optimizer()).lr();
            assertThat(found.rates()).hasSizeGreaterThan(4);
            assertThat(lr).isEqualTo(RateSearch.chosen(found.rates()));
            LearningRates.Tried best = found.rates().stream()
                    .filter(tried -> tried.bits() != null)
                    .min(Comparator.comparingDouble(LearningRates.Tried::bits))
                    .orElseThrow();
            assertThat(best)
                    .as("not at the edge")
                    .isNotIn(found.rates().getFirst(), found.rates().getLast());
        }
    }

    @Test
    void sizesOfOnesOwnTakeTheTasksDefaults() {
        assertThat(LearningRates.of(CharShape.parse("8,8,8,1")).optimizers())
                .isEqualTo(LearningRates.of(CharShape.DEFAULT).optimizers());
    }

    @Test
    void theHelpNamesWhatIsCompared() {
        String help = Main.commandLine().getSubcommands().get("train").getUsageMessage();
        assertThat(help.replaceAll("\\s+", " ")).contains(names(LearningRates.of(CharShape.DEFAULT)));
        assertThat(Main.commandLine().getUsageMessage()).doesNotContain("search-lr");
    }

    /** Twice, with the second taking all runs from the first's file. */
    @Test
    void aSearchWritesWhatItTried() throws IOException {
        Path data = ImageFiles.mnist(folder.resolve("data"), 200, 20, 4, 4, 2, false);
        String[] search = {
            "search-lr",
            "--task",
            "images",
            "--model",
            "2,4",
            "--data",
            data.toString(),
            "--steps",
            "4",
            "--out",
            folder.toString()
        };
        assertThat(run(search)).contains("sgd(lr=0.32, momentum=0.9): step 4 of 4");
        Path json = folder.resolve("learning-rates-images-2,4.json");
        LearningRates first = LearningRates.read(json);
        assertThat(names(first)).hasSize(RateSearch.COMPARED.size());
        assertThat(Files.readString(folder.resolve("learning-rates-images-2,4.md")))
                .contains("| `" + first.results().getFirst().optimizer() + "` |", "**");
        assertThat(run(search)).doesNotContain("step");
        assertThat(LearningRates.read(json).results()).isEqualTo(first.results());
    }

    /** What was said on stderr. */
    private static String run(String... arguments) {
        StringWriter err = new StringWriter();
        int code = Main.commandLine()
                .setOut(new PrintWriter(new StringWriter()))
                .setErr(new PrintWriter(err))
                .execute(arguments);
        assertThat(code).as(err.toString()).isZero();
        return err.toString();
    }
}
