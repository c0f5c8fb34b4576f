package dev.gatun.peers;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DjlPeersTest {
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    djl-adamw      | adamw()                       | 1e-3
                    djl-adam       | adam()                        | 1e-3
                    libtorch-adamw | adamw()                       | 1e-4
                    djl-ops-sing   | sing(softplus=0, lookahead=0) | 1e-4
                    djl-ops-aida   | aida()                        | 1e-4
                    """)
    void sameWeights(String name, String rule, double tolerance) {
        PeerContract.sameWeights(name, rule, tolerance);
    }
}
