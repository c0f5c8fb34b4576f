package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A JVM that was not told that native calls are wanted says which option does. */
class NativeAccessTest {
    @TempDir
    Path folder;

    /** Opens the CPU and says what comes of it. */
    static final class Opening {
        private Opening() {}

        public static void main(String[] arguments) {
            for (int i = 1; i <= 2; i++) {
                try (Device device = Device.cpu(1)) {
                    System.out.println("opened " + device.kind());
                } catch (RuntimeException | Error e) {
                    System.out.println("attempt " + i + ": " + e);
                }
            }
        }
    }

    @Test
    void withoutNativeAccessTheOptionIsNamedAtEveryAttempt() throws Exception {
        List<String> arguments = new ArrayList<>(ChildJvm.main(Opening.class));
        assertThat(arguments.removeFirst()).isEqualTo("--enable-native-access=ALL-UNNAMED");
        ChildJvm.Result result = ChildJvm.run(folder, arguments);
        assertThat(List.of(result.output().split("attempt [0-9]: ")))
                .hasSize(3)
                .last()
                .asString()
                .contains("DeviceUnavailableException", "To do: start java with --enable-native-access=ALL-UNNAMED");
    }
}
