package dev.gatun.cli;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Results over learning rates, a curve for each optimizer: how much the rate decides, and where the best one lies. */
final class CompareChart {
    /** What an exact replay is drawn at: an axis of powers of ten has no zero. */
    private static final double EXACT = 1e-17;

    private CompareChart() {}

    static void write(CompareReport report, Path file) throws IOException {
        System.setProperty("java.awt.headless", "true");
        boolean errors = report.settings().has("trace");
        XYChart chart = new XYChartBuilder()
                .width(1100)
                .height(620)
                .title(report.measure() + " over learning rates")
                .xAxisTitle("learning rate")
                .yAxisTitle(report.measure() + " (lower is better)")
                .build();
        chart.getStyler()
                .setXAxisLogarithmic(true)
                .setYAxisLogarithmic(errors)
                .setPlotGridLinesColor(new Color(0xE4E4E4))
                .setAxisTitleFont(new Font(Font.SANS_SERIF, Font.PLAIN, 15))
                .setAxisTickLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13));
        chart.getStyler()
                .setLegendPosition(LegendPosition.OutsideE)
                .setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 15))
                .setChartBackgroundColor(Color.WHITE)
                .setPlotBackgroundColor(Color.WHITE);
        Map<String, List<Trials.Trial>> rows = report.ranked().stream()
                .filter(one ->
                        Double.isFinite(one.trial().result()) && one.trial().lr() > 0)
                .sorted(Comparator.comparingDouble(one -> one.trial().lr()))
                .collect(Collectors.groupingBy(
                        one -> one.cell().optimizer().toString(),
                        LinkedHashMap::new,
                        Collectors.mapping(CompareGrid.Tried::trial, Collectors.toList())));
        int row = 0;
        for (Map.Entry<String, List<Trials.Trial>> optimizer : rows.entrySet()) {
            double[] x =
                    optimizer.getValue().stream().mapToDouble(Trials.Trial::lr).toArray();
            double[] y = optimizer.getValue().stream()
                    .mapToDouble(trial -> errors ? Math.max(EXACT, trial.result()) : trial.result())
                    .toArray();
            Color color = BenchChart.color(row++, rows.size(), false);
            chart.addSeries(optimizer.getKey(), x, y)
                    .setMarker(SeriesMarkers.CIRCLE)
                    .setMarkerColor(color)
                    .setLineColor(color)
                    .setLineStyle(new BasicStroke(2.4f));
        }
        if (rows.isEmpty()) {
            throw new BadInput("--png: there is nothing to draw, since no optimizer had a result; lower the rates");
        }
        try (OutputStream out = Files.newOutputStream(file)) {
            ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", out);
        }
    }
}
