package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Comparator;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The proof that {@link OptimizerContract} bites: it passes the model, and each way of being wrong fails it. */
class BrokenBackendsTest {
    @TempDir
    Path folder;

    @Test
    void theModelPasses() {
        try (Device device = Device.cpu(1)) {
            OptimizerContract contract = new OptimizerContract(device, device, folder);
            Subject.all(new ModelBackend())
                    .filter(subject ->
                            !isMixed(subject)) // those are the native library's reference in its own contract
                    .forEach(subject -> contract.checks().values().forEach(check -> check.accept(subject)));
        }
    }

    @ParameterizedTest
    @EnumSource
    void theFaultIsNoticed(Fault fault) {
        try (Device device = Device.cpu(1)) {
            OptimizerContract contract = new OptimizerContract(device, device, folder);
            Optional<AssertionError> noticed = inOrder(Subject.all(new ModelBackend(fault)))
                    .map(subject -> failure(contract, fault, subject))
                    .flatMap(Optional::stream)
                    .findFirst();
            assertThat(noticed).as("%s fails %s", fault, fault.noticedBy).isPresent();
        }
    }

    /** Each rule once in F64, where its faults show; then the mixed types, for those of conversions; then the rest. */
    private static Stream<Subject> inOrder(Stream<Subject> subjects) {
        return subjects.sorted(Comparator.comparingInt(
                subject -> subject.types().weight() == DType.F64 ? 0 : isMixed(subject) ? 1 : 2));
    }

    private static boolean isMixed(Subject subject) {
        return subject.types().weight().isHalf() || subject.types().gradient().isHalf();
    }

    private static Optional<AssertionError> failure(OptimizerContract contract, Fault fault, Subject subject) {
        try {
            contract.checks().get(fault.noticedBy).accept(subject);
            return Optional.empty();
        } catch (AssertionError e) {
            return Optional.of(e);
        }
    }
}
