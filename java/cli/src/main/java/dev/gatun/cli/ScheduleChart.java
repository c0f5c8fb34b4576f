package dev.gatun.cli;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** A schedule's curve as a PNG. */
final class ScheduleChart {
    /** More points than pixels would only take time. */
    private static final int MOST_POINTS = 4000;

    private ScheduleChart() {}

    static void write(String title, double[] rates, double lr, Path file) throws IOException {
        System.setProperty("java.awt.headless", "true");
        int points = Math.min(MOST_POINTS, rates.length);
        int[] steps = IntStream.range(0, points)
                .map(i -> points == 1 ? 1 : (int) ((long) (rates.length - 1) * i / (points - 1)) + 1)
                .toArray();
        XYChart chart = new XYChartBuilder()
                .width(1100)
                .height(560)
                .title(title)
                .xAxisTitle("step")
                .yAxisTitle(lr == 1 ? "times the learning rate" : "learning rate")
                .build();
        chart.getStyler()
                .setXAxisMin(0.0)
                .setXAxisMax((double) rates.length)
                .setYAxisMin(0.0)
                .setXAxisDecimalPattern("#,###")
                .setYAxisDecimalPattern(DoubleStream.of(rates).max().orElse(0) < 1e-4 ? "0.##E0" : "0.#######")
                .setPlotGridLinesColor(new Color(0xE4E4E4))
                .setAxisTitleFont(new Font(Font.SANS_SERIF, Font.PLAIN, 15))
                .setAxisTickLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13));
        chart.getStyler()
                .setLegendVisible(false)
                .setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 15))
                .setChartBackgroundColor(Color.WHITE)
                .setPlotBackgroundColor(Color.WHITE);
        // The curve without its second point: over steps at equal distances XChart marks 28, 56, 84 and so on.
        int[] drawn = IntStream.range(0, points)
                .filter(i -> i != 1 || points < 5)
                .map(i -> steps[i])
                .toArray();
        double[] x = IntStream.of(drawn).asDoubleStream().toArray();
        double[] y = IntStream.of(drawn).mapToDouble(step -> rates[step - 1]).toArray();
        chart.addSeries("learning rate", x, y)
                .setMarker(SeriesMarkers.NONE)
                .setLineColor(new Color(0x0072B2))
                .setLineStyle(new BasicStroke(2.4f));
        try (OutputStream out = Files.newOutputStream(file)) {
            ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", out);
        }
    }
}
