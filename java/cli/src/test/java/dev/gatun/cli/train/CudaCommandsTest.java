package dev.gatun.cli.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.cli.Main;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The commands with {@code --device cuda}, on a GPU or the emulated one: the CPU's bits. */
@Tag("cuda")
class CudaCommandsTest {
    private static final Pattern HASH = Pattern.compile("[0-9a-f]{64}");

    @TempDir
    private Path folder;

    private static String run(String... arguments) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        CommandLine command = Main.commandLine().setOut(new PrintWriter(out)).setErr(new PrintWriter(err));
        assertThat(command.execute(arguments)).as(err.toString()).isZero();
        return out.toString();
    }

    private static List<String> hashes(String text) {
        return HASH.matcher(text).results().map(found -> found.group()).toList();
    }

    /** Frameworks compute on the CPU, so gradients are the same; steps are on the GPU, so the weights' bits must be. */
    @Test
    void trainingGivesTheCpusBits() throws IOException {
        Path text = TrainCommandTest.writeText(folder);
        List<String> hashes = null;
        for (String device : List.of("cpu", "cuda")) {
            Path out = folder.resolve(device);
            String said = run(
                    "train",
                    "--data",
                    text.toString(),
                    "--model",
                    "4,4,8,1",
                    "--steps",
                    "6",
                    "--batch",
                    "16",
                    "--threads",
                    "1",
                    "--optimizers",
                    "adamw(lr=0.01); sing(lr=0.01)",
                    "--device",
                    device,
                    "--out",
                    out.toString());
            assertThat(said.contains("copies there and back")).isEqualTo(device.equals("cuda"));
            List<String> found = hashes(Files.readString(out.resolve("report.md")));
            assertThat(found).hasSize(2);
            assertThat(hashes == null || found.equals(hashes))
                    .as("%s, %s", hashes, found)
                    .isTrue();
            hashes = found;
        }
    }

    @Test
    void replayGivesTheCpusBits() {
        String trace = Path.of(System.getProperty("gatun.root"), "java/core/src/test/resources/traces/sing.safetensors")
                .toString();
        String onCpu = run("replay", trace, "--dtype", "f64");
        String onCuda = run("replay", trace, "--dtype", "f64", "--device", "cuda");
        assertThat(hashes(onCuda)).isNotEmpty().isEqualTo(hashes(onCpu));
        assertThat(onCuda).contains("on cuda");
    }

    @Test
    void infoAndBenchKnowTheDevice() {
        assertThat(run("info")).contains("usable").doesNotContain("--cuda=on");
        assertThat(run(
                        "bench",
                        "--device",
                        "cuda",
                        "--optimizers",
                        "adamw(); sing()",
                        "--lists",
                        "4x64",
                        "--rounds",
                        "2"))
                .contains("adamw");
    }
}
