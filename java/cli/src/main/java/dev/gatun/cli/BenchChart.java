package dev.gatun.cli;

import java.awt.Color;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.style.Styler;

/** Shares of the limit as bars, one group per list. */
final class BenchChart {
    private BenchChart() {}

    static void write(BenchResult.Report report, Path file) throws IOException {
        System.setProperty("java.awt.headless", "true");
        List<String> lists =
                report.results().stream().map(BenchResult::list).distinct().toList();
        Map<String, List<Double>> shares = new LinkedHashMap<>();
        List<Color> colors = new ArrayList<>();
        List<String> optimizers = report.results().stream()
                .filter(result -> result.peer() == null)
                .map(BenchResult::optimizer)
                .distinct()
                .toList();
        for (BenchResult result : report.results()) {
            if (result.peer() != null) {
                continue; // a bar of 2 % says less than the table's "50 times"
            }
            String row = result.optimizer() + (result.checkFinite() ? ", finite check" : "");
            if (!shares.containsKey(row)) {
                colors.add(color(optimizers.indexOf(result.optimizer()), optimizers.size(), result.checkFinite()));
            }
            shares.computeIfAbsent(row, name -> new ArrayList<>()).add(100 * result.shareOfLimit());
        }
        CategoryChart chart = new CategoryChartBuilder()
                .width(1300)
                .height(600)
                .title("Share of memory speed, " + report.machine().cpu())
                .xAxisTitle("")
                .yAxisTitle("% of a loop that moves the same bytes")
                .build();
        chart.getStyler().setLegendPosition(Styler.LegendPosition.OutsideE);
        chart.getStyler().setLegendLayout(Styler.LegendLayout.Vertical);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setYAxisMin(0.0);
        chart.getStyler().setSeriesColors(colors.toArray(Color[]::new));
        shares.forEach((row, values) -> chart.addSeries(row, lists, values));
        ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", file.toFile());
    }

    /** A hue for each optimizer, neighbours light and dark; pale with the finite check. XChart's own colours repeat. */
    static Color color(int optimizer, int optimizers, boolean checkFinite) {
        float hue = (float) optimizer / Math.max(1, optimizers);
        float brightness = optimizer % 2 == 0 ? 0.65f : 0.95f;
        return Color.getHSBColor(hue, checkFinite ? 0.4f : 0.95f, brightness);
    }
}
