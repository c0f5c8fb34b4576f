package dev.gatun.bindings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.jar.JarOutputStream;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Finding and loading libgatun.so, each case in a JVM of its own because a JVM loads it once. */
class LoaderTest {
    private static final Path ROOT = Path.of(System.getProperty("gatun.root"));
    private static final Path BUILT = Path.of(System.getProperty(NativeLibrary.PATH_PROPERTY));

    @TempDir
    Path folder;

    private byte[] library;
    private String hash;

    @BeforeEach
    void readLibrary() throws Exception {
        library = Files.readAllBytes(BUILT.resolve(NativeLibrary.CORE));
        hash = sha256(library);
    }

    // ---- -Dgatun.library.path

    @Test
    void takesTheGivenFolderOrFile() throws Exception {
        Path core = BUILT.resolve(NativeLibrary.CORE);
        for (Path given : List.of(BUILT, core)) {
            Command.Result result = probe(List.of("-Dgatun.library.path=" + given), null);
            assertThat(result.output()).contains("core: " + core, "origin: -Dgatun.library.path=" + given);
            assertThat(result.code()).isZero();
        }
    }

    @Test
    void triesNothingElseThanTheGivenPath() throws Exception {
        Command.Result result = probe(List.of("-Dgatun.library.path=/nowhere/gatun.so"), jar());
        assertFailed(result, "/nowhere/gatun.so does not exist", "only place tried", "./build-native.sh");
        result = probe(List.of("-Dgatun.library.path=" + folder), jar());
        assertFailed(result, folder.resolve(NativeLibrary.CORE) + " does not exist");
    }

    /** Without a look at its header first, a library cut short kills the JVM: the dynamic linker reads past its end. */
    @Test
    void refusesATruncatedFile() throws Exception {
        for (int bytes : List.of(0, 50, 64, 4096, library.length / 4, library.length - 1)) {
            assertFailed(probeGiven(Arrays.copyOf(library, bytes)), NativeLibrary.CORE, bytes + " bytes");
        }
    }

    @Test
    void saysThatTheArchitectureIsAnother() throws Exception {
        byte[] arm = library.clone();
        arm[18] = (byte) 183; // e_machine of the ELF header: AArch64
        arm[19] = 0;
        assertFailed(probeGiven(arm), NativeLibrary.CORE, "AARCH64", "on linux-x86_64");
    }

    @Test
    void refusesAnotherAbiVersion() throws Exception {
        byte[] other = compile("int gatun_abi_version(void) { return 4711; }");
        assertFailed(probeGiven(other), "ABI version 4711", "made for " + GatunC.GATUN_ABI_VERSION(), "built together");
    }

    @Test
    void refusesALibraryThatIsNotGatuns() throws Exception {
        assertFailed(probeGiven(compile("int something_else;")), "is not Gatun's library", "gatun_abi_version");
    }

    // ---- the jar and the cache

    @Test
    void copiesFromTheJarOnceAndThenUsesTheCopy() throws Exception {
        Path jar = jar();
        Path copy = folder.resolve("cache").resolve(hash).resolve(NativeLibrary.CORE);
        assertLoaded(probe(cache(folder.resolve("cache")), jar), copy);
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(copy.getParent())))
                .isEqualTo("rwx------");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(copy)))
                .isEqualTo("rwx------");

        FileTime longAgo = FileTime.fromMillis(1_000_000_000_000L);
        Files.setLastModifiedTime(copy, longAgo);
        assertLoaded(probe(cache(folder.resolve("cache")), jar), copy);
        assertThat(Files.getLastModifiedTime(copy)).as("not written again").isEqualTo(longAgo);
        assertThat(copy.getParent().toFile().list()).containsExactly(NativeLibrary.CORE);
    }

    @Test
    void replacesADamagedCopy() throws Exception {
        Path copy = folder.resolve("cache").resolve(hash).resolve(NativeLibrary.CORE);
        byte[] oneBitOff = library.clone();
        oneBitOff[library.length / 2] ^= 1;
        for (byte[] damaged : List.of(new byte[0], Arrays.copyOf(library, 5000), oneBitOff)) {
            Files.createDirectories(
                    copy.getParent(),
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            Files.write(copy, damaged);
            assertLoaded(probe(cache(folder.resolve("cache")), jar()), copy);
            assertThat(sha256(Files.readAllBytes(copy))).isEqualTo(hash);
        }
    }

    @Test
    void usesATemporaryFolderWhenTheCacheCannotBeWritten() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "in the way");
        Path temporary = Files.createDirectory(folder.resolve("temporary"));
        // /proc takes no folders, not even from root, for whom permissions are no obstacle
        for (Path unusable : List.of(file, Path.of("/proc/gatun"))) {
            Command.Result result =
                    probe(List.of("-Dgatun.cache.dir=" + unusable, "-Djava.io.tmpdir=" + temporary), jar());
            assertThat(result.output()).contains("core: " + temporary);
            assertThat(temporary.toFile().list()).as("left behind").isEmpty();
        }
    }

    @Test
    void trustsNoFolderThatOthersCanWrite() throws Exception {
        Path temporary = Files.createDirectory(folder.resolve("temporary"));
        Path open = Files.createDirectory(folder.resolve("open"));
        Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));
        List<String> options = List.of("-Dgatun.cache.dir=" + open, "-Djava.io.tmpdir=" + temporary);
        assertThat(probe(options, jar()).output()).contains("core: " + temporary);
    }

    @Test
    void listsEveryAttempt() throws Exception {
        List<String> options = List.of("-Dgatun.cache.dir=/proc/gatun", "-Djava.io.tmpdir=/proc/none");
        assertFailed(
                probe(options, jar()),
                "cache folder /proc/gatun: cannot be used: ",
                "a temporary folder: cannot be used: ",
                "-Dgatun.cache.dir=");
        assertFailed(
                probe(List.of(), null),
                "no META-INF/native/linux-x86_64/libgatun.so on the class path",
                "dev.gatun:gatun-natives");
        assertFailed(probe(List.of("-Dos.arch=riscv64"), jar()), "linux-riscv64", "linux-x86_64 only");
    }

    @Test
    void keepsTheCacheWhereTheUserKeepsCaches() throws Exception {
        Path jar = jar();
        ProcessBuilder builder = builder(List.of(), jar);
        builder.environment().put("XDG_CACHE_HOME", folder.resolve("xdg").toString());
        Path copy = folder.resolve("xdg").resolve("gatun").resolve(hash).resolve(NativeLibrary.CORE);
        assertLoaded(new Command(builder).run(), copy);
        builder.environment().remove("XDG_CACHE_HOME");
        builder.command().add(1, "-Duser.home=" + folder.resolve("home"));
        copy = folder.resolve("home/.cache/gatun").resolve(hash).resolve(NativeLibrary.CORE);
        assertLoaded(new Command(builder).run(), copy);
    }

    @Test
    void severalAtOnceDoNotDisturbEachOther() throws Exception {
        Path jar = jar();
        Path copy = folder.resolve("cache").resolve(hash).resolve(NativeLibrary.CORE);
        try (ExecutorService threads = Executors.newFixedThreadPool(6)) {
            Callable<Command.Result> start = () -> probe(cache(folder.resolve("cache")), jar);
            for (Future<Command.Result> result : threads.invokeAll(List.of(start, start, start, start, start, start))) {
                assertLoaded(result.get(), copy);
            }
        }
        assertThat(copy.getParent().toFile().list()).containsExactly(NativeLibrary.CORE);
    }

    @Test
    void theCudaBackendTravelsTheSameWay() throws Exception {
        byte[] content = "stands for the CUDA backend".getBytes(StandardCharsets.UTF_8);
        Path jars = jar(Map.of(NativeLibrary.CORE_RESOURCE, library, NativeLibrary.CUDA_RESOURCE, content));
        Path copy = folder.resolve("cache").resolve(sha256(content)).resolve(NativeLibrary.CUDA);
        Command.Result result = probe(cache(folder.resolve("cache")), jars);
        assertThat(result.output()).contains("cuda: " + copy, "no cuda: -");
        assertThat(copy).hasBinaryContent(content);

        result = probe(cache(folder.resolve("cache")), jar());
        assertThat(result.output()).contains("no cuda: there is no META-INF", "classifier linux-x86_64-cuda13");
        Files.copy(BUILT.resolve(NativeLibrary.CORE), folder.resolve(NativeLibrary.CORE));
        result = probe(List.of("-Dgatun.library.path=" + folder), null);
        assertThat(result.output()).contains("no cuda: there is no " + folder.resolve(NativeLibrary.CUDA), "--cuda=on");
        Files.write(folder.resolve(NativeLibrary.CUDA), Arrays.copyOf(library, library.length / 2));
        result = probe(List.of("-Dgatun.library.path=" + folder), null);
        assertThat(result.output()).contains("no cuda: " + folder.resolve(NativeLibrary.CUDA) + " is cut short");
    }

    // ---- the library itself

    @Test
    void exportsEveryBoundFunction() throws Exception {
        NativeLibrary.ensureLoaded();
        List<String> functions = new ArrayList<>();
        for (var method : GatunC.class.getMethods()) {
            if (method.getName().endsWith("$address")) {
                assertThat(method.invoke(null)).as(method.getName()).isNotNull();
                functions.add(method.getName());
            }
        }
        assertThat(functions).hasSizeGreaterThan(20);
    }

    // ---- how the child JVMs are made

    private Command.Result probeGiven(byte[] content) throws Exception {
        Path file = Files.write(folder.resolve(NativeLibrary.CORE), content);
        return probe(List.of("-Dgatun.library.path=" + file), null);
    }

    private static List<String> cache(Path cache) {
        return List.of("-Dgatun.cache.dir=" + cache);
    }

    private static Command.Result probe(List<String> options, Path jar) throws Exception {
        return new Command(builder(options, jar)).run();
    }

    private static ProcessBuilder builder(List<String> options, Path jar) {
        Path target = ROOT.resolve("bindings/target");
        List<String> words = new ArrayList<>();
        words.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        words.addAll(List.of("-Xshare:auto", "-XX:TieredStopAtLevel=1", "--illegal-native-access=deny"));
        words.add("--enable-native-access=ALL-UNNAMED");
        words.addAll(options);
        words.add("-cp");
        words.add(target.resolve("classes") + ":" + target.resolve("test-classes") + (jar == null ? "" : ":" + jar));
        words.add(LoaderProbe.class.getName());
        return new ProcessBuilder(words);
    }

    private Path jar() throws IOException {
        return jar(Map.of(NativeLibrary.CORE_RESOURCE, library));
    }

    private Path jar(Map<String, byte[]> entries) throws IOException {
        Path jar = Files.createTempFile(folder, "natives", ".jar");
        try (OutputStream out = Files.newOutputStream(jar);
                JarOutputStream zip = new JarOutputStream(out)) {
            for (var entry : entries.entrySet()) {
                zip.putNextEntry(new ZipEntry(entry.getKey()));
                zip.write(entry.getValue());
                zip.closeEntry();
            }
        }
        return jar;
    }

    private byte[] compile(String source) throws Exception {
        Path c = Files.writeString(folder.resolve("other.c"), source + "\n");
        Path so = folder.resolve("other.so");
        Command.Result result = Command.run("g++", "-x", "c", "-shared", "-fPIC", "-o", so.toString(), c.toString());
        assumeTrue(result.code() == 0, "no compiler: " + result.output());
        return Files.readAllBytes(so);
    }

    private static String sha256(byte[] content) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
    }

    private static void assertLoaded(Command.Result result, Path path) {
        assertThat(result.output()).contains("core: " + path + "\n", "version: ");
        assertThat(result.code()).isZero();
    }

    private static void assertFailed(Command.Result result, String... parts) {
        assertThat(result.output())
                .contains("failed: cannot load Gatun's native library on linux-")
                .contains(parts);
        assertThat(result.output()).contains("same again: true", "To do: ").doesNotContain("Exception");
        assertThat(result.code()).isEqualTo(3);
    }
}
