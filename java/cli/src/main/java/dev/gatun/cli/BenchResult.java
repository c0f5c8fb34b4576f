package dev.gatun.cli;

import java.util.List;

/**
 * One optimizer on one list. Names become JSON keys with underscores.
 *
 * @param shareOfLimit time of a loop that moves the same bytes, measured in the same rounds, over the optimizer's time
 * @param ratioToAdamw time over that of AdamW without the finite check, same list, same rounds
 * @param limitGbPerS what the loop reached
 * @param copyGbPerS what a plain copy reached, read and write counted
 * @param peer who did it, null for Gatun; {@code optimizer} is then Gatun's counterpart
 * @param ratioToGatun a peer's time over that of its counterpart in the same rounds; null for Gatun
 */
record BenchResult(
        String optimizer,
        String list,
        long parameters,
        int tensors,
        int threads,
        String device,
        String dtype,
        boolean checkFinite,
        double bytesPerParameter,
        double nsPerParameter,
        double gbPerS,
        double shareOfLimit,
        double ratioToAdamw,
        double limitGbPerS,
        double copyGbPerS,
        int rounds,
        String peer,
        Double ratioToGatun) {
    /** A peer that could not be measured on a list. */
    record LeftOut(String peer, String list, String reason) {}

    /** The whole report; {@code limitGbPerS} is that of the loop with AdamW's traffic on the largest list. */
    record Report(Machine machine, double limitGbPerS, List<BenchResult> results, List<LeftOut> peersLeftOut) {
        static Report of(Machine machine, List<BenchResult> results, List<LeftOut> peersLeftOut) {
            double limit = 0;
            long largest = -1;
            for (BenchResult result : results) {
                // The first row of a list is the reference, AdamW without the check.
                if (result.parameters > largest) {
                    largest = result.parameters;
                    limit = result.limitGbPerS;
                }
            }
            return new Report(machine, limit, results, peersLeftOut);
        }
    }
}
