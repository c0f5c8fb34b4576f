package dev.gatun.cli;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import dev.gatun.CudaStatus;
import dev.gatun.DType;
import dev.gatun.Device;
import dev.gatun.Optimizer;
import dev.gatun.Parameter;
import dev.gatun.Rule;
import dev.gatun.Tensor;
import dev.gatun.bindings.GatunC;
import dev.gatun.bindings.NativeLibrary;
import java.io.PrintWriter;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code gatun info}: what is here, where it came from, and for what is not here, why. */
@Command(
        name = "info",
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        description =
                "Shows devices, instruction sets, libraries and built-in optimizers, and why a backend is missing.")
final class Info implements Callable<Integer> {
    /** The rules and wrappers of this version, each as short as its specification may be. */
    static final List<String> SPECIFICATIONS = List.of(
            "sgd(lr=0.01)",
            "sgd(lr=0.01, momentum=0.9)",
            "adam()",
            "adam(amsgrad=true)",
            "adamw()",
            "sing()",
            "sing(softplus=0, lookahead=0)",
            "sing(adamw())",
            "lookahead(adamw())",
            "adabelief()",
            "radam()",
            "pnm(lr=0.01)",
            "adapnm()",
            "aida()",
            "ladam()",
            "ladabelief()",
            "adal()",
            "lamb()",
            "lars(lr=0.2)",
            "generic_adam()",
            "adamp()",
            "sgdp(lr=0.01)",
            "insgd(lr=0.1)",
            "ema(adamw())",
            "clip(adamw())");

    @Spec
    private CommandSpec spec;

    @Option(names = "--json", description = "Prints JSON instead of text.")
    private boolean json;

    @Override
    public Integer call() {
        JsonObject info = gather();
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            out.println(Output.text(info));
        } else {
            print(info, out);
        }
        out.flush();
        return 0;
    }

    private static JsonObject gather() {
        JsonObject info = new JsonObject();
        JsonObject software = new JsonObject();
        software.addProperty("gatun", Version.text());
        software.addProperty(
                "java", System.getProperty("java.vm.vendor") + " " + System.getProperty("java.runtime.version"));
        software.addProperty("os", Machine.operatingSystem());
        info.add("software", software);
        try (Device cpu = Device.cpu()) {
            info.add("core", core());
            info.add("cpu", cpu(cpu));
        }
        info.add("cuda", cuda());
        info.add("optimizers", optimizers());
        return info;
    }

    private static JsonObject core() {
        JsonObject core = new JsonObject();
        core.addProperty("library", NativeLibrary.corePath().toString());
        core.addProperty("origin", NativeLibrary.origin());
        core.addProperty("version", GatunC.gatun_version().getString(0));
        core.addProperty("abi", GatunC.gatun_abi_version());
        return core;
    }

    private static JsonObject cpu(Device device) {
        JsonObject cpu = new JsonObject();
        cpu.addProperty("name", device.name());
        cpu.addProperty("threads", device.threads());
        cpu.addProperty("isa", DeviceOptions.word(device.isa()));
        cpu.addProperty(
                "best_isa",
                DeviceOptions.word(Device.Isa.values()[GatunC.gatun_cpu_best_isa() - GatunC.GATUN_ISA_SCALAR()]));
        cpu.addProperty("memory_bytes", device.memoryBytes());
        return cpu;
    }

    private static JsonObject cuda() {
        CudaStatus status = Device.cudaStatus();
        JsonObject cuda = new JsonObject();
        cuda.addProperty("usable", status.reason() == null);
        cuda.addProperty("reason", status.reason());
        cuda.addProperty(
                "library", status.library() == null ? null : status.library().toString());
        cuda.addProperty("driver", status.driver());
        cuda.addProperty("runtime", status.runtime());
        JsonArray devices = new JsonArray();
        for (int ordinal = 0; status.reason() == null && ordinal < status.devices(); ordinal++) {
            try (Device device = Device.cuda(ordinal)) {
                JsonObject one = new JsonObject();
                one.addProperty("ordinal", ordinal);
                one.addProperty("name", device.name());
                one.addProperty("memory_bytes", device.memoryBytes());
                devices.add(one);
            }
        }
        cuda.add("devices", devices);
        return cuda;
    }

    private static JsonArray optimizers() {
        JsonArray optimizers = new JsonArray();
        for (String specification : SPECIFICATIONS) {
            Rule rule = Rule.parse(specification);
            JsonObject one = new JsonObject();
            one.addProperty("specification", specification);
            one.addProperty("bytes_per_parameter", rule.bytesPerParameter(DType.F32, false));
            one.addProperty("bytes_per_parameter_checked", rule.bytesPerParameter(DType.F32, true));
            one.add("state", Output.tree(rule.slots()));
            one.addProperty("state_bytes_per_parameter", stateBytes(rule));
            one.add("options", Output.tree(options(rule)));
            one.addProperty("about", rule.description());
            optimizers.add(one);
        }
        return optimizers;
    }

    /** Of what is as long as the weights; what a tensor has once does not count. */
    private static int stateBytes(Rule rule) {
        try (Arena arena = Arena.ofConfined();
                Device device = Device.cpu(1)) {
            Parameter weight = Parameter.of("w", Tensor.allocate(arena, DType.F32, 8, 16));
            try (Optimizer optimizer = Optimizer.of(device, rule, List.of(weight))) {
                return rule.slots().stream()
                        .map(slot -> optimizer.state(0, slot))
                        .filter(tensor -> tensor.length() == weight.weight().length())
                        .mapToInt(tensor -> tensor.dtype().bytes())
                        .sum();
            }
        }
    }

    /** The keys of a rule's specification string: its record's components. */
    private static List<String> options(Rule rule) {
        return Arrays.stream(rule.getClass().getRecordComponents())
                .filter(component -> component.getType() != Rule.class)
                .map(component -> component
                        .getName()
                        .replaceAll("(?<=[a-z])(?=[A-Z])", "_")
                        .toLowerCase(Locale.ROOT))
                .toList();
    }

    private static void print(JsonObject info, PrintWriter out) {
        section(out, "software", info.getAsJsonObject("software"));
        section(out, "core library", info.getAsJsonObject("core"));
        section(out, "cpu", info.getAsJsonObject("cpu"));
        JsonObject cuda = info.getAsJsonObject("cuda");
        JsonArray devices = cuda.remove("devices").getAsJsonArray();
        section(out, "cuda", cuda);
        for (int i = 0; i < devices.size(); i++) {
            section(out, "cuda device " + i, devices.get(i).getAsJsonObject());
        }
        out.println("optimizers (bytes moved per parameter and step in f32, without and with the finite check; state)");
        for (var element : info.getAsJsonArray("optimizers")) {
            JsonObject one = element.getAsJsonObject();
            out.printf(
                    Locale.ROOT,
                    "  %-32s %5.1f %5.1f  %s%n",
                    one.get("specification").getAsString(),
                    one.get("bytes_per_parameter").getAsDouble(),
                    one.get("bytes_per_parameter_checked").getAsDouble(),
                    String.join(
                            ", ",
                            one.getAsJsonArray("state").asList().stream()
                                    .map(slot -> slot.getAsString())
                                    .toList()));
        }
    }

    private static void section(PrintWriter out, String title, JsonObject values) {
        out.println(title);
        values.entrySet().stream()
                .filter(entry -> !entry.getValue().isJsonNull())
                .forEach(entry -> out.printf(
                        "  %-14s %s%n",
                        entry.getKey(), text(entry.getKey(), entry.getValue().getAsString())));
    }

    private static String text(String key, String value) {
        return key.equals("memory_bytes")
                ? String.format(Locale.ROOT, "%.1f GiB", Double.parseDouble(value) / (1 << 30))
                : value;
    }
}
