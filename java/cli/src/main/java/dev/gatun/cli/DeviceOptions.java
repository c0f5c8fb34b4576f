package dev.gatun.cli;

import dev.gatun.DType;
import dev.gatun.Device;
import java.util.Locale;
import picocli.CommandLine.Option;

/** Where and in which type the arithmetic runs: the options that replay and bench share. */
final class DeviceOptions {
    @Option(
            names = "--device",
            paramLabel = "cpu|cuda",
            defaultValue = "cpu",
            description = "Where the step runs. Default: ${DEFAULT-VALUE}.")
    private Device.Kind kind;

    @Option(
            names = "--threads",
            paramLabel = "N",
            defaultValue = "0",
            description =
                    "CPU threads. 0: GATUN_THREADS, else every CPU this process may use. Default: ${DEFAULT-VALUE}.")
    private int threads;

    @Option(
            names = "--isa",
            paramLabel = "scalar|avx2|avx512",
            description = "CPU instruction set. Default: GATUN_ISA, else the best this machine supports.")
    private Device.Isa isa;

    @Option(
            names = "--dtype",
            paramLabel = "f32|f64|bf16|f16",
            defaultValue = "f32",
            description =
                    "Type of weights, gradients and state; bf16 and f16, which bench alone takes, are of weights and"
                            + " gradients, with state and masters in f32. Default: ${DEFAULT-VALUE}.")
    private DType dtype;

    Device open() {
        if (threads < 0 || threads > 1024) {
            throw new BadInput("--threads " + threads + ": pass a number from 1 to 1024, or 0 for the default");
        }
        if (kind == Device.Kind.CUDA) {
            if (isa != null || threads != 0) {
                throw new BadInput("--device cuda takes neither --threads nor --isa: they choose how the CPU works;"
                        + " leave them out or pass --device cpu");
            }
            return Device.cuda(0);
        }
        return Device.cpu(threads, isa);
    }

    Device.Kind kind() {
        return kind;
    }

    DType dtype() {
        return dtype;
    }

    /** The word that options and JSON use for a constant; null for none. */
    static String word(Enum<?> value) {
        return value == null ? null : value.name().toLowerCase(Locale.ROOT);
    }
}
