package dev.gatun.peers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.StringReader;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JavaPeersTest {
    @ParameterizedTest
    @ValueSource(strings = {"java-loops", "java-vector"})
    void sameWeights(String name) {
        PeerContract.sameWeights(name, "adamw()", 1e-4);
    }

    @Test
    void ordersAreAnswered() throws IOException {
        assertThat(answers("java-loops 3 2\n2,3\n7\ncheck\nstep 1\nstep 120\ncheck\n"))
                .matches("ready\nok\nnanos \\d+\nnanos \\d+\nok\n");
    }

    /** The thread's arithmetic must not depend on where a part ends. */
    @Test
    void moreThreadsThanElements() throws IOException {
        assertThat(answers("java-vector 9 2\n2,2\n1\nstep 2\ncheck\n")).matches("ready\nnanos \\d+\nok\n");
    }

    @Test
    void anUnknownName() {
        assertThatThrownBy(() -> answers("adamx 1 1\n2\n")).hasMessageContaining("'adamx'");
    }

    private static String answers(String orders) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        new PeerProcess(new StringReader(orders), new PrintStream(out)).run();
        return out.toString();
    }
}
