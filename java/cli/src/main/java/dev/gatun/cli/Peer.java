package dev.gatun.cli;

import dev.gatun.Rule;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * What a JVM user would step with instead, in bench/peers.
 *
 * @param name what it is called there
 * @param rule Gatun's counterpart
 * @param environment what it wants besides what all get
 */
record Peer(String name, Rule rule, Map<String, String> environment) {
    static final List<Peer> ALL = List.of(
            of("djl-adamw", "adamw()"),
            // Above 32 MiB glibc maps every temporary anew and DJL waits for pages; this is how a user can stop that.
            new Peer(
                    "djl-adamw-malloc",
                    Rule.parse("adamw()"),
                    Map.of("MALLOC_MMAP_THRESHOLD_", "4294967296", "MALLOC_TRIM_THRESHOLD_", "17179869184")),
            of("djl-adam", "adam()"),
            of("libtorch-adamw", "adamw()"),
            of("java-loops", "adamw()"),
            of("java-vector", "adamw()"),
            of("nd4j-adam", "adam()"),
            of("nd4j-adabelief", "adabelief(rectify=false, weight_decay=0, eps=1e-14)"),
            of("djl-ops-sing", "sing(softplus=0, lookahead=0)"),
            of("djl-ops-aida", "aida()"));

    private static Peer of(String name, String rule) {
        return new Peer(name, Rule.parse(rule), Map.of());
    }

    /** The peers of {@code all}, or of names separated by commas. */
    static List<Peer> parse(String names) {
        if (names.equals("all")) {
            return ALL;
        }
        return Arrays.stream(names.split(",", -1))
                .map(name -> ALL.stream()
                        .filter(peer -> peer.name.equals(name.strip()))
                        .findFirst()
                        .orElseThrow(() -> new BadInput("--peers: '" + name.strip() + "' is none; pass all, or some of "
                                + String.join(",", ALL.stream().map(Peer::name).toList()))))
                .distinct()
                .toList();
    }
}
