package dev.gatun.peers;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class Nd4jPeersTest {
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    nd4j-adam      | adam()                                                | 1e-3
                    nd4j-adabelief | adabelief(rectify=false, weight_decay=0, eps=1e-14)   | 1e-3
                    """)
    void sameWeights(String name, String rule, double tolerance) {
        PeerContract.sameWeights(name, rule, tolerance);
    }
}
