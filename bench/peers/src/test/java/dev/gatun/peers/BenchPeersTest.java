package dev.gatun.peers;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import dev.gatun.cli.Main;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The command that drives the processes. All peers: {@code ./gatun bench --peers --lists tiny --rounds 1}. */
class BenchPeersTest {
    @TempDir
    private Path folder;

    @Test
    void rows() throws IOException {
        System.setProperty("gatun.peers", System.getProperty("java.class.path"));
        JsonObject report = bench("java-loops,java-vector");
        assertThat(report.getAsJsonArray("peers_left_out")).isEmpty();
        var rows = report.getAsJsonArray("results").asList().stream()
                .map(row -> row.getAsJsonObject())
                .filter(row -> !row.get("peer").isJsonNull())
                .toList();
        assertThat(rows)
                .extracting(row -> row.get("peer").getAsString())
                .containsExactly("java-loops", "java-vector", "java-loops", "java-vector");
        for (JsonObject row : rows) {
            assertThat(row.get("optimizer").getAsString()).startsWith("adamw(");
            assertThat(row.get("bytes_per_parameter").getAsDouble()).isEqualTo(28);
            for (String number :
                    new String[] {"ratio_to_gatun", "ratio_to_adamw", "share_of_limit", "ns_per_parameter"}) {
                assertThat(row.get(number).getAsDouble())
                        .as(number)
                        .isPositive()
                        .isFinite();
            }
        }
    }

    @Test
    void aPeerThatDoesNotStartIsLeftOutAloud() throws IOException {
        System.setProperty("gatun.peers", folder.toString());
        var leftOut = bench("java-loops").getAsJsonArray("peers_left_out");
        assertThat(leftOut).hasSize(2);
        assertThat(leftOut.get(0).getAsJsonObject().get("reason").getAsString())
                .contains("java-loops ended: Error: Could not find or load main class");
    }

    private JsonObject bench(String peers) throws IOException {
        Path json = folder.resolve("bench.json");
        int code = Main.commandLine()
                .execute(
                        "bench",
                        "--peers=" + peers,
                        "--lists=tiny,300x5",
                        "--rounds=2",
                        "--optimizers=sing()",
                        "--json=" + json);
        assertThat(code).isZero();
        return JsonParser.parseString(Files.readString(json)).getAsJsonObject();
    }
}
