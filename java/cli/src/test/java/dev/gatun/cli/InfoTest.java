package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import dev.gatun.Device;
import dev.gatun.Rule;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class InfoTest {
    @Test
    void textNamesWhatIsThere() {
        Run run = Run.of("info");
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).contains("libgatun.so", "best_isa", "threads", "cuda", "sing", "adamw", "28.0");
        String reason = Device.cudaStatus().reason();
        if (reason != null) {
            assertThat(run.out()).contains("usable         false", reason);
        }
    }

    @Test
    void json() {
        JsonObject info = Run.of("info", "--json").json().getAsJsonObject();
        assertThat(info.keySet()).containsExactly("software", "core", "cpu", "cuda", "optimizers");
        assertThat(Files.exists(
                        Path.of(info.getAsJsonObject("core").get("library").getAsString())))
                .isTrue();
        assertThat(info.getAsJsonObject("core").get("abi").getAsInt()).isPositive();
        assertThat(info.getAsJsonObject("cpu").get("best_isa").getAsString()).isIn("scalar", "avx2", "avx512");
        JsonObject cuda = info.getAsJsonObject("cuda");
        assertThat(cuda.get("usable").getAsBoolean())
                .isEqualTo(Device.cudaStatus().reason() == null);
        assertThat(cuda.get("reason").isJsonNull()).isEqualTo(cuda.get("usable").getAsBoolean());
    }

    @Test
    void optionsAreTheKeysOfTheSpecification() {
        for (var element : Run.of("info", "--json").json().getAsJsonObject().getAsJsonArray("optimizers")) {
            JsonObject one = element.getAsJsonObject();
            String name = one.get("specification").getAsString().replaceAll("\\(.*", "");
            assertThat(one.get("about").getAsString()).startsWith(name + ": ");
            for (var option : one.getAsJsonArray("options")) {
                // A key that the name has is asked for its value, another for its name.
                assertThatThrownBy(() -> Rule.parse(name + "(" + option.getAsString() + "=?)"))
                        .hasMessageNotContaining("has no key");
            }
        }
    }

    @Test
    void everyKindOfRuleIsShown() {
        Set<Class<?>> shown = new HashSet<>();
        Info.SPECIFICATIONS.forEach(
                specification -> shown.add(Rule.parse(specification).getClass()));
        assertThat(shown).containsExactlyInAnyOrder(Rule.class.getPermittedSubclasses());
    }

    /** ALGORITHMS: the bytes of one step per parameter, from the specification's table. */
    @Test
    void bytesPerParameter() {
        for (var element : Run.of("info", "--json").json().getAsJsonObject().getAsJsonArray("optimizers")) {
            JsonObject one = element.getAsJsonObject();
            double expected = switch (one.get("specification").getAsString()) {
                case "sgd(lr=0.01)" -> 12;
                case "sgd(lr=0.01, momentum=0.9)" -> 20;
                case "adam()", "adamw()" -> 28;
                case "adam(amsgrad=true)" -> 36;
                case "sing(softplus=0, lookahead=0)", "sing(adamw())" -> 32;
                case "sing()" -> 33.6;
                default -> 0;
            };
            if (expected > 0) {
                assertThat(one.get("bytes_per_parameter").getAsDouble())
                        .as(one.toString())
                        .isEqualTo(expected);
            }
        }
        Info.SPECIFICATIONS.forEach(Rule::parse);
    }
}
