package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** SING never trains a tensor whose rows have one element: the log says so, once for each name. */
class FanInOneTest {
    @TempDir
    Path folder;

    /** Makes the same optimizer twice, and one without centering. */
    static final class Maker {
        private Maker() {}

        public static void main(String[] arguments) {
            try (Arena arena = Arena.ofConfined();
                    Device device = Device.cpu(1)) {
                List<Parameter> parameters = List.of(
                        Parameter.of("column", Tensor.allocate(arena, DType.F32, 5, 1)),
                        Parameter.of("row", Tensor.allocate(arena, DType.F32, 1, 5)),
                        Parameter.of("vector", Tensor.allocate(arena, DType.F32, 5)));
                Optimizer.of(device, Adam.of(1e-3), parameters).close();
                Optimizer.of(device, Sing.official(1e-3).withCenter(false), parameters)
                        .close();
                System.out.println("now");
                Optimizer.of(device, Sing.official(1e-3), parameters).close();
                Optimizer.of(device, Sing.before(Sgd.of(1)), parameters).close();
            }
        }
    }

    @Test
    void isWarnedOfOnce() throws Exception {
        ChildJvm.Result result = ChildJvm.run(folder, ChildJvm.main(Maker.class));
        assertThat(result.exit()).as(result.output()).isZero();
        assertThat(result.output().lines().filter(line -> line.contains("never trains")))
                .hasSize(1)
                .allMatch(line -> line.contains("'column'") && !line.contains("'row'"));
        assertThat(result.output().indexOf("never trains"))
                .isGreaterThan(result.output().indexOf("now"));
    }
}
