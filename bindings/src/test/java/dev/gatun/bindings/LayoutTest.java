package dev.gatun.bindings;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * What jextract generated against what the C compiler says, line by line: {@code abi_dump}, built with the native
 * libraries, prints the header's structs and constants. The Java side is listed by reflection over the generated
 * classes, so a struct, field or constant that is missing on either side is a difference too.
 */
class LayoutTest {
    @Test
    void bindingsAgreeWithTheCompiler() throws Exception {
        List<String> java = new ArrayList<>();
        for (Class<?> struct : structs()) {
            describe(struct, java);
        }
        constants(java);
        assertThat(java).hasSizeGreaterThan(80).containsExactlyInAnyOrderElementsOf(compilerSays());
    }

    /** The header's hash and the generated files' hash are those of the last generation; with jextract, all text is. */
    @Test
    void bindingsAreThoseOfTheHeader() throws Exception {
        Path script = Path.of(System.getProperty("gatun.root"), "bindings", "regenerate.sh");
        Command.Result check = Command.run(script.toString(), "--check");
        assertThat(check.code()).as(check.output()).isZero();
    }

    private static List<String> compilerSays() throws Exception {
        Path dump = Path.of(System.getProperty(NativeLibrary.PATH_PROPERTY), "abi_dump");
        assertThat(dump).as("built by ./build-native.sh").isExecutable();
        Command.Result result = Command.run(dump.toString());
        assertThat(result.code()).isZero();
        return result.output().lines().toList();
    }

    private static void describe(Class<?> struct, List<String> lines) throws ReflectiveOperationException {
        GroupLayout layout = (GroupLayout) struct.getMethod("layout").invoke(null);
        String name = struct.getSimpleName();
        assertThat(struct.getMethod("sizeof").invoke(null)).isEqualTo(layout.byteSize());
        lines.add("struct " + name + " " + layout.byteSize() + " " + layout.byteAlignment());
        for (Method method : struct.getMethods()) {
            if (method.getName().endsWith("$offset")) {
                String field = method.getName().replace("$offset", "");
                MemoryLayout part =
                        (MemoryLayout) struct.getMethod(field + "$layout").invoke(null);
                assertThat(layout.byteOffset(MemoryLayout.PathElement.groupElement(field)))
                        .isEqualTo(method.invoke(null));
                lines.add("field " + name + "." + field + " " + method.invoke(null) + " " + part.byteSize() + " "
                        + kind(part));
            }
        }
    }

    private static String kind(MemoryLayout layout) {
        return switch (layout) {
            case ValueLayout.OfDouble _ -> "f64";
            case ValueLayout.OfInt _ -> "i32";
            case ValueLayout.OfLong _ -> "i64";
            case AddressLayout _ -> "pointer";
            default -> "other";
        };
    }

    /** jextract makes a method of every constant; those of functions have a companion {@code name$descriptor}. */
    private static void constants(List<String> lines) throws ReflectiveOperationException {
        List<String> names =
                Stream.of(GatunC.class.getMethods()).map(Method::getName).toList();
        for (Method method : GatunC.class.getMethods()) {
            if (Modifier.isStatic(method.getModifiers())
                    && method.getParameterCount() == 0
                    && !method.getName().contains("$")
                    && !names.contains(method.getName() + "$descriptor")) {
                lines.add("constant " + method.getName() + " " + method.invoke(null));
            }
        }
    }

    private static List<Class<?>> structs() throws IOException, ReflectiveOperationException {
        String folder = "bindings/src/generated/java/dev/gatun/bindings";
        List<Class<?>> structs = new ArrayList<>();
        try (Stream<Path> files = Files.list(Path.of(System.getProperty("gatun.root"), folder))) {
            for (Path file : files.sorted().toList()) {
                String name = file.getFileName().toString().replace(".java", "");
                if (name.startsWith("gatun_")) {
                    structs.add(Class.forName("dev.gatun.bindings." + name));
                }
            }
        }
        return structs;
    }
}
