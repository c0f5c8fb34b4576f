package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MainTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "--help",
                "info --help",
                "replay --help",
                "train --help",
                "compare --help",
                "schedule --help",
                "bench --help",
                "checkpoint --help",
                "checkpoint show --help",
                "checkpoint verify --help",
                "checkpoint diff --help",
                "checkpoint convert --help",
                "help replay",
                "--version",
                "bench --version"
            })
    void helpIsEverywhere(String line) {
        Run run = Run.of((Object[]) line.split(" "));
        assertThat(run.code()).isZero();
        assertThat(run.out()).isNotBlank();
        assertThat(run.err()).isEmpty();
    }

    @Test
    void helpListsCommandsAndExitCodes() {
        assertThat(Run.of("--help").out())
                .contains("info", "train", "compare", "schedule", "replay", "bench", "checkpoint")
                .contains("0  done", "1  the comparison failed", "2  wrong use", "3  device");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "replya",
                "checkpoint",
                "checkpoint verify",
                "checkpoint diff one",
                "checkpoint convert one",
                "schedule",
                "replay",
                "replay x --dtype bf8",
                "replay x --device tpu",
                "replay x --isa mmx",
                "replay x --threads two",
                "bench --rounds",
                "bench --unknown"
            })
    void wrongUseIsOneLineAndCodeTwo(String line) {
        Run run = Run.of((Object[]) (line.isEmpty() ? new String[0] : line.split(" ")));
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err().lines())
                .hasSize(1)
                .first()
                .asString()
                .startsWith("gatun")
                .contains("--help");
    }

    @Test
    void aNearCommandIsSuggested() {
        assertThat(Run.of("replya").err()).contains("did you mean", "replay");
    }

    /** As a process, since a library that does not load is an error that the whole JVM remembers. */
    @Test
    void aMissingLibraryIsOneLineAndCodeThree(@TempDir Path folder) throws Exception {
        Process process = new ProcessBuilder(
                        ProcessHandle.current().info().command().orElseThrow(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-Dgatun.library.path=" + folder,
                        "-cp",
                        System.getProperty("java.class.path"),
                        Main.class.getName(),
                        "info")
                .start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        String err = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(err).isEqualTo(3);
        assertThat(out).isEmpty();
        assertThat(err.lines()).hasSize(1).first().asString().contains("libgatun.so", folder.toString());
    }
}
