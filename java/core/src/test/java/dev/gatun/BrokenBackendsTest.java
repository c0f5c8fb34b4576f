package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Optional;
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
                    .forEach(subject -> contract.checks().values().forEach(check -> check.accept(subject)));
        }
    }

    @ParameterizedTest
    @EnumSource
    void theFaultIsNoticed(Fault fault) {
        try (Device device = Device.cpu(1)) {
            OptimizerContract contract = new OptimizerContract(device, device, folder);
            Optional<AssertionError> noticed = Subject.all(new ModelBackend(fault))
                    .map(subject -> failure(contract, fault, subject))
                    .flatMap(Optional::stream)
                    .findFirst();
            assertThat(noticed).as("%s fails %s", fault, fault.noticedBy).isPresent();
        }
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
