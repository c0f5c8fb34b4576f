package dev.gatun;

import java.nio.file.Path;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** Every rule and type on the native library, held to {@link OptimizerContract}. */
class NativeContractTest {
    @TempDir
    static Path folder;

    static Device device;

    @BeforeAll
    static void open() {
        device = Device.cpu(3); // more than this machine may have, so that pieces move between threads
    }

    @AfterAll
    static void close() {
        device.close();
    }

    @TestFactory
    Stream<DynamicContainer> contract() {
        Map<String, Consumer<Subject>> checks = new OptimizerContract(device, folder).checks();
        return Subject.all(null)
                .map(subject -> DynamicContainer.dynamicContainer(
                        subject.toString(),
                        checks.entrySet().stream()
                                .map(check -> DynamicTest.dynamicTest(
                                        check.getKey(), () -> check.getValue().accept(subject)))));
    }
}
