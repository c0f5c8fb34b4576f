package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MainTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "--help",
                "info --help",
                "replay --help",
                "bench --help",
                "checkpoint --help",
                "checkpoint show --help",
                "checkpoint verify --help",
                "checkpoint diff --help",
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
                .contains("info", "replay", "bench", "checkpoint")
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
                "replay",
                "replay x --dtype bf16",
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
}
