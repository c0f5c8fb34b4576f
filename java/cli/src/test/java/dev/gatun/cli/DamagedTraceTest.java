package dev.gatun.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever is wrong with a trace is said in one line that names the file and the tensor, with exit code 2. */
class DamagedTraceTest {
    @TempDir
    private Path folder;

    @Test
    void missing() {
        refused(folder.resolve("none.safetensors"), "no such file");
        refused(folder, "no such file");
    }

    @Test
    void emptyTruncatedOrGarbage() throws IOException {
        Path whole = TraceFile.sgd().write(folder);
        byte[] bytes = Files.readAllBytes(whole);
        for (int length : new int[] {0, 4, 8, 20, bytes.length / 2, bytes.length - 1}) {
            Path cut = folder.resolve("cut.safetensors");
            Files.write(cut, Arrays.copyOf(bytes, length));
            refused(cut, "");
        }
        Path garbage = folder.resolve("garbage.safetensors");
        Files.writeString(garbage, "this is no safetensors file at all, only a sentence");
        refused(garbage, "");
    }

    @Test
    void steps() throws IOException {
        refused(TraceFile.sgd().saying("steps", "two").write(folder), "'two'");
        refused(TraceFile.sgd().saying("steps", "0").write(folder), "'0'");
        refused(TraceFile.sgd().saying("steps", "99999999999").write(folder), "99999999999");
        refused(TraceFile.sgd().saying("steps", "1").write(folder), "step 2");
        TraceFile none = TraceFile.sgd();
        none.metadata.remove("steps");
        refused(none.write(folder), "lacks 'steps'");
    }

    @Test
    void names() throws IOException {
        refused(TraceFile.sgd().with("gard/1/a", 1, 2).write(folder), "'gard/1/a'");
        refused(TraceFile.sgd().with("grad/x/a", 1, 2).write(folder), "'x' is not a step");
        refused(TraceFile.sgd().with("grad/0/a", 1, 2).write(folder), "step 0");
        refused(TraceFile.sgd().with("grad/1", 1, 2).write(folder), "'grad/1'");
        refused(TraceFile.sgd().with("grad/1/c", 1, 2).write(folder), "'weight/c'");
        refused(TraceFile.sgd().without("weight/b").write(folder), "'weight/b'");
    }

    @Test
    void shapes() throws IOException {
        refused(TraceFile.sgd().with("grad/1/a", 1, 2, 3).write(folder), "shape [3]");
        refused(TraceFile.sgd().with("expect/2/b", 1, 2).write(folder), "'expect/2/b'");
        refused(TraceFile.sgd().with("lr", 0.5).write(folder), "'lr' has 1 values");
        refused(TraceFile.sgd().with("lr", 0.5, Double.NaN).write(folder), "NaN at step 2");
    }

    @Test
    void wrongType() throws IOException {
        TraceFile trace = TraceFile.sgd();
        trace.tensors.put("grad/1/b", Tensor.of(Arena.ofAuto(), new float[] {8}, 1));
        refused(trace.write(folder), "F32");
    }

    @Test
    void nothingToCompare() throws IOException {
        TraceFile trace = TraceFile.sgd();
        trace.tensors.keySet().removeIf(name -> name.startsWith("expect/"));
        refused(trace.write(folder), "nothing to compare");
    }

    @Test
    void optimizer() throws IOException {
        refused(TraceFile.sgd().saying("optimizer", "sdg(lr=0.5)").write(folder), "sgd");
        refused(TraceFile.sgd().saying("optimizer", "sgd(lr=-1)").write(folder), "lr");
        TraceFile none = TraceFile.sgd();
        none.metadata.remove("optimizer");
        refused(none.write(folder), "pass --optimizer");
        Run run = Run.of("replay", TraceFile.sgd().write(folder), "--optimizer", "sgd(lr=0.5");
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.err().lines()).hasSize(1).first().asString().contains("--optimizer");
    }

    @Test
    void options() throws IOException {
        Path trace = TraceFile.sgd().write(folder);
        for (String[] wrong : new String[][] {
            {"--tolerance", "-1"},
            {"--tolerance", "NaN"},
            {"--threads", "-1"},
            {"--threads", "1025"},
            {"--json", folder.toString()},
            {"--json", folder.resolve("none/x.json").toString()},
            {"--out", folder.resolve("none/x").toString()},
            {"--device", "cuda", "--threads", "2"}
        }) {
            Object[] arguments = new Object[2 + wrong.length];
            arguments[0] = "replay";
            arguments[1] = trace;
            System.arraycopy(wrong, 0, arguments, 2, wrong.length);
            Run run = Run.of(arguments);
            assertThat(run.code()).as(String.join(" ", wrong)).isEqualTo(2);
            assertThat(run.err().lines()).hasSize(1).first().asString().contains(wrong[wrong.length > 2 ? 2 : 0]);
        }
        assertThat(Run.of("replay", trace, trace, "--out", folder.resolve("o")).code())
                .isEqualTo(2);
    }

    private static void refused(Path trace, String reason) {
        Run run = Run.of("replay", trace);
        assertThat(run.code()).as(run.out() + run.err()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err().lines()).hasSize(1);
        assertThat(run.err()).contains(trace.toString(), reason);
    }
}
