package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The commands on a page of the user guide: in blocks marked console, a line {@code $ ./gatun ...} and what it prints. Each is
 * run, and what it prints has to be what the page says. A comment {@code # exit code 1} says how it ends, if not with 0.
 */
final class GuideConsole {
    private static final Path ROOT = Path.of(System.getProperty("gatun.root"));
    private static final Pattern BLOCK = Pattern.compile("```console\\n(.*?)```", Pattern.DOTALL);
    private static final Pattern WORD = Pattern.compile("\"([^\"]*)\"|(\\S+)");
    private static final Pattern CODE = Pattern.compile("\\s+# exit code (\\d)$");
    private static final Pattern NUMBER = Pattern.compile("-?[0-9][0-9,]*(\\.[0-9]+)?([eE]-?[0-9]+)?");

    private record Command(String line, String output) {}

    private final String name;
    private final Path folder;
    private final String text;
    private final List<Command> commands = new ArrayList<>();

    /** Reads a page; file names on it without a folder are files of {@code folder}, others of the repository. */
    GuideConsole(String name, Path folder) throws IOException {
        this.name = name;
        this.folder = folder;
        text = Files.readString(ROOT.resolve("docs").resolve(name));
        Matcher blocks = BLOCK.matcher(text);
        while (blocks.find()) {
            for (String part : blocks.group(1).split("(?m)^\\$ ")) {
                if (!part.isBlank()) {
                    int end = part.indexOf('\n');
                    commands.add(new Command(part.substring(0, end), part.substring(end + 1)));
                }
            }
        }
    }

    /** The whole page. */
    String text() {
        return text;
    }

    int commands() {
        return commands.size();
    }

    /** Runs all of them, in their order. */
    void requireAllAsPrinted() {
        for (int i = 0; i < commands.size(); i++) {
            requireAsPrinted(i);
        }
    }

    void requireAsPrinted(int command) {
        assertThat(printed(run(command)))
                .as("docs/" + name + ": " + commands.get(command).line)
                .isEqualTo(commands.get(command).output.strip());
    }

    /**
     * Runs one whose numbers depend a little on the machine; the words may not differ, numbers by this share of what the page
     * says, or of one half where that is less: a share of few guesses changes with one of them.
     */
    void requireAboutAsPrinted(int command, double tolerance) {
        Run run = run(command);
        String expected = commands.get(command).output.strip();
        assertThat(words(printed(run))).as(run.out()).isEqualTo(words(expected));
        double[] is = numbers(printed(run));
        double[] said = numbers(expected);
        assertThat(is).hasSameSizeAs(said);
        for (int i = 0; i < is.length; i++) {
            assertThat(Math.abs(is[i] - said[i]) <= tolerance * Math.max(0.5, Math.abs(said[i])))
                    .as("number %d: %s, and docs/%s says %s in%n%s", i, is[i], name, said[i], expected)
                    .isTrue();
        }
    }

    private static String words(String text) {
        return NUMBER.matcher(text).replaceAll("0").replaceAll("\\s+", " ");
    }

    private static double[] numbers(String text) {
        return NUMBER.matcher(text)
                .results()
                .map(MatchResult::group)
                .mapToDouble(number -> Double.parseDouble(number.replace(",", "")))
                .toArray();
    }

    private Run run(int command) {
        String line = commands.get(command).line;
        Matcher ending = CODE.matcher(line);
        int code = ending.find() ? Integer.parseInt(ending.group(1)) : 0;
        Matcher words = WORD.matcher(ending.replaceAll(""));
        assertThat(words.find() && words.group().equals("./gatun")).as(line).isTrue();
        List<Object> arguments = new ArrayList<>();
        while (words.find()) {
            arguments.add(words.group(1) != null ? words.group(1) : place(words.group(2)));
        }
        Run run = Run.of(arguments.toArray());
        assertThat(run.code())
                .as("docs/" + name + ": " + line + "\n" + run.out() + run.err())
                .isEqualTo(code);
        return run;
    }

    private Object place(String word) {
        boolean file = word.matches("[\\w-]+\\.(safetensors|png|json|csv)");
        return file ? folder.resolve(word) : Files.exists(ROOT.resolve(word)) ? ROOT.resolve(word) : word;
    }

    private String printed(Run run) {
        return (run.code() > 1 ? run.err() : run.out())
                .replace(folder + "/", "")
                .replace(ROOT + "/", "")
                .strip();
    }
}
