package dev.gatun;

import java.nio.file.Path;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** Every rule and type on the native library, held to {@link OptimizerContract}. */
@Tag("device")
class NativeContractTest {
    @TempDir
    static Path folder;

    static Device device;
    static Device host;

    @BeforeAll
    static void open() {
        host = Device.cpu(1);
        device = TestDevice.open(3); // more than this machine may have, so that pieces move between threads
    }

    @AfterAll
    static void close() {
        device.close();
        host.close();
    }

    @TestFactory
    Stream<DynamicContainer> contract() {
        Map<String, Consumer<Subject>> checks = new OptimizerContract(device, host, folder).checks();
        return Subject.all(null)
                .map(subject -> DynamicContainer.dynamicContainer(
                        subject.toString(),
                        checks.entrySet().stream()
                                .map(check -> DynamicTest.dynamicTest(
                                        check.getKey(),
                                        () -> TestDevice.run(
                                                () -> check.getValue().accept(subject))))));
    }
}
