package dev.gatun.cli;

import java.util.Locale;

/** The report for people. */
final class BenchTable {
    private BenchTable() {}

    static String of(BenchResult.Report report) {
        Machine machine = report.machine();
        StringBuilder text = new StringBuilder();
        text.append(String.format(
                Locale.ROOT, "%s, %d cores, caches %s%n", machine.cpu(), machine.cores(), machine.caches()));
        text.append(String.format(Locale.ROOT, "%s; %s%n", machine.os(), machine.jdk()));
        if (machine.busy()) {
            text.append(String.format(
                    Locale.ROOT,
                    "Busy: load average %.1f before the first round; times and shares are noisy, repeat on an idle machine%n",
                    machine.loadAverage()));
        }
        int width = report.results().stream()
                .mapToInt(result -> name(result).length())
                .max()
                .orElse(0);
        width = Math.max(width, "optimizer".length());
        String list = "";
        for (BenchResult result : report.results()) {
            if (!result.list().equals(list)) {
                list = result.list();
                text.append(String.format(
                        Locale.ROOT,
                        "%n%s: %,d parameters in %,d tensors, %s on %s%s, threads: %d, median of %d rounds%n",
                        list,
                        result.parameters(),
                        result.tensors(),
                        result.dtype(),
                        result.device(),
                        machine.isa() == null ? "" : " " + machine.isa(),
                        result.threads(),
                        result.rounds()));
                text.append(String.format(
                        Locale.ROOT,
                        "  %-" + width + "s  %5s  %7s  %8s  %7s  %7s  %6s  %7s%n",
                        "optimizer",
                        "check",
                        "B/param",
                        "ns/param",
                        "GB/s",
                        "limit",
                        "share",
                        "x AdamW"));
            }
            text.append(String.format(
                    Locale.ROOT,
                    "  %-" + width + "s  %5s  %7.1f  %8.4f  %7.2f  %7.2f  %5.1f%%  %7.3f%s%n",
                    name(result),
                    result.checkFinite() ? "yes" : "no",
                    result.bytesPerParameter(),
                    result.nsPerParameter(),
                    result.gbPerS(),
                    result.limitGbPerS(),
                    100 * result.shareOfLimit(),
                    result.ratioToAdamw(),
                    result.peer() == null
                            ? ""
                            : String.format(
                                    Locale.ROOT,
                                    "  %.2f x %s, %d rounds",
                                    result.ratioToGatun(),
                                    result.optimizer(),
                                    result.rounds())));
            if (last(report, result)) {
                text.append(String.format(
                        Locale.ROOT, "  plain copy %.2f GB/s (bytes read and written)%n", result.copyGbPerS()));
            }
        }
        for (BenchResult.LeftOut peer : report.peersLeftOut()) {
            text.append(String.format(Locale.ROOT, "%nleft out on %s: %s", peer.list(), peer.reason()));
        }
        text.append(String.format(
                Locale.ROOT,
                "%ncheck: with the finite check. limit: GB/s of a loop that moves as many arrays and"
                        + " computes nothing, in the same rounds.%nshare: the loop's time for the same bytes over the optimizer's."
                        + " x AdamW: time over AdamW's without the check.%n"));
        return text.toString();
    }

    private static String name(BenchResult result) {
        return result.peer() == null ? result.optimizer() : "peer " + result.peer();
    }

    private static boolean last(BenchResult.Report report, BenchResult result) {
        int next = report.results().indexOf(result) + 1;
        return next == report.results().size()
                || !report.results().get(next).list().equals(result.list());
    }
}
