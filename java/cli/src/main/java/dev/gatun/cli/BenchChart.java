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
        for (BenchResult result : report.results()) {
            String row = result.optimizer() + (result.checkFinite() ? ", finite check" : "");
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
        shares.forEach((row, values) -> chart.addSeries(row, lists, values));
        ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", file.toFile());
    }
}
