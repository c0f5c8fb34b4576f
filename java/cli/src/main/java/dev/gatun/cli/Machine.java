package dev.gatun.cli;

import dev.gatun.Device;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * What a measurement was made on; without it a number means nothing.
 *
 * @param cpu model name, as the operating system says it
 * @param cores CPUs this process may use
 * @param caches size by name: L1d, L1i, L2, L3 of CPU 0; empty where the system does not say
 * @param memoryBytes physical memory, 0 if unknown
 * @param device name of the device that was measured
 * @param isa instruction set in use, null off the CPU
 * @param loadAverage processes that wanted a CPU in the minute before, -1 if unknown: well above 0 the numbers are not
 *     worth keeping
 */
public record Machine(
        String cpu,
        int cores,
        Map<String, String> caches,
        long memoryBytes,
        String os,
        String jdk,
        String gatun,
        String device,
        String isa,
        double loadAverage) {
    public static Machine of(Device device) {
        return new Machine(
                cpuModel(),
                Runtime.getRuntime().availableProcessors(),
                cachesOfCpu0(),
                kibibytes("MemTotal") * 1024,
                operatingSystem(),
                System.getProperty("java.vm.vendor") + " " + System.getProperty("java.runtime.version"),
                Version.text(),
                device.name(),
                device.kind() == Device.Kind.CPU ? DeviceOptions.word(device.isa()) : null,
                ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage());
    }

    /** Whether others used so much of the machine that what was measured is theirs as well. */
    public boolean busy() {
        return loadAverage > 0.25 * cores;
    }

    static String cpuModel() {
        return field(Path.of("/proc/cpuinfo"), "model name", System.getProperty("os.arch"));
    }

    static String operatingSystem() {
        String name = field(Path.of("/etc/os-release"), "PRETTY_NAME", System.getProperty("os.name"))
                .replace("\"", "");
        return name + ", kernel " + System.getProperty("os.version");
    }

    /** Memory that a process may still take; 0 if the system does not say. */
    static long availableBytes() {
        return kibibytes("MemAvailable") * 1024;
    }

    private static long kibibytes(String key) {
        String digits = field(Path.of("/proc/meminfo"), key, "0 kB").replaceAll("\\D", "");
        return digits.isEmpty() ? 0 : Long.parseLong(digits);
    }

    /** The first value of a key in a file of {@code key: value} or {@code key=value} lines. */
    private static String field(Path file, String key, String otherwise) {
        try (Stream<String> lines = Files.lines(file)) {
            return lines.filter(line -> line.startsWith(key))
                    .map(line -> line.substring(key.length())
                            .replaceFirst("^\\s*[:=]\\s*", "")
                            .strip())
                    .findFirst()
                    .orElse(otherwise);
        } catch (IOException | RuntimeException unreadable) {
            return otherwise;
        }
    }

    private static Map<String, String> cachesOfCpu0() {
        Map<String, String> caches = new TreeMap<>();
        Path folder = Path.of("/sys/devices/system/cpu/cpu0/cache");
        try (DirectoryStream<Path> levels = Files.newDirectoryStream(folder, "index*")) {
            for (Path level : levels) {
                String type = Files.readString(level.resolve("type")).strip();
                String letter = type.equals("Data") ? "d" : type.equals("Instruction") ? "i" : "";
                String size = Files.readString(level.resolve("size")).strip();
                caches.put("L" + Files.readString(level.resolve("level")).strip() + letter, size);
            }
        } catch (IOException unreadable) {
            return Map.of();
        }
        return caches;
    }
}
