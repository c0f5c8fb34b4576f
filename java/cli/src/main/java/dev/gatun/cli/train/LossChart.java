package dev.gatun.cli.train;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** All losses over the steps, with the lines to beat, as a PNG. */
final class LossChart {
    /** Okabe and Ito's palette: told apart by colour-blind readers, too. */
    private static final List<Color> COLORS = List.of(
            new Color(0xD55E00),
            new Color(0x0072B2),
            new Color(0x009E73),
            new Color(0xCC79A7),
            new Color(0xE69F00),
            new Color(0x56B4E9),
            new Color(0x000000));

    private static final BasicStroke THIN = new BasicStroke(1f);
    private static final BasicStroke THICK = new BasicStroke(2.4f);
    private static final BasicStroke DASHED =
            new BasicStroke(1.2f, BasicStroke.CAP_BUTT, BasicStroke.JOIN_BEVEL, 10f, new float[] {7f, 5f}, 0f);

    private LossChart() {}

    /** Draws to a file; needs no display, but fonts. */
    static void write(Path file, Map<String, History> histories, NGrams lines, int steps) throws IOException {
        XYChart chart = new XYChartBuilder()
                .width(1100)
                .height(680)
                .title("Bits per character: validation (thick), training (thin, moving average)")
                .xAxisTitle("step")
                .yAxisTitle("bits per character (lower is better)")
                .build();
        style(chart, histories, lines, steps);
        line(chart, "unigram %.3f".formatted(lines.unigram()), lines.unigram(), steps, new Color(0xB0B0B0));
        line(chart, "bigram %.3f".formatted(lines.bigram()), lines.bigram(), steps, new Color(0x808080));
        line(chart, "trigram %.3f".formatted(lines.trigram()), lines.trigram(), steps, new Color(0x404040));
        int color = 0;
        for (Map.Entry<String, History> history : histories.entrySet()) {
            curves(chart, history.getKey(), history.getValue(), COLORS.get(color++ % COLORS.size()));
        }
        try (OutputStream out = Files.newOutputStream(file)) {
            ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", out);
        }
    }

    private static void style(XYChart chart, Map<String, History> histories, NGrams lines, int steps) {
        double lowest = histories.values().stream()
                .flatMap(history -> history.steps().stream())
                .mapToDouble(
                        step -> Math.min(step.training(), Double.isNaN(step.validation()) ? 99 : step.validation()))
                .filter(Double::isFinite)
                .min()
                .orElse(0);
        chart.getStyler()
                .setXAxisMin(0.0)
                .setXAxisMax((double) steps)
                .setYAxisMin(Math.max(0, Math.floor(Math.min(lowest, lines.trigram()) * 2) / 2))
                // The first steps are at log2 of the vocabulary; showing them would flatten everything else.
                .setYAxisMax(Math.ceil((lines.unigram() + 0.2) * 2) / 2)
                .setYAxisDecimalPattern("0.0")
                .setXAxisDecimalPattern("#,###")
                .setPlotGridLinesColor(new Color(0xE4E4E4))
                .setAxisTitleFont(new Font(Font.SANS_SERIF, Font.PLAIN, 15))
                .setAxisTickLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13));
        chart.getStyler()
                .setLegendPosition(LegendPosition.OutsideE)
                .setLegendFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13))
                .setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 15))
                .setChartBackgroundColor(Color.WHITE)
                .setPlotBackgroundColor(Color.WHITE);
    }

    private static void line(XYChart chart, String name, double bits, int steps, Color color) {
        XYSeries series = chart.addSeries(name, new double[] {0, steps}, new double[] {bits, bits});
        series.setMarker(SeriesMarkers.NONE).setLineColor(color).setLineStyle(DASHED);
    }

    private static void curves(XYChart chart, String name, History history, Color color) {
        double[][] training = smoothed(history);
        if (training[0].length > 0) {
            Color pale = new Color(color.getRed(), color.getGreen(), color.getBlue(), 110);
            XYSeries series = chart.addSeries(name + " training", training[0], training[1]);
            series.setMarker(SeriesMarkers.NONE).setLineColor(pale).setLineStyle(THIN);
            series.setShowInLegend(false);
        }
        List<History.Step> measured = history.steps().stream()
                .filter(step -> Double.isFinite(step.validation()))
                .toList();
        if (!measured.isEmpty()) {
            XYSeries series = chart.addSeries(
                    name,
                    measured.stream().mapToDouble(History.Step::step).toArray(),
                    measured.stream().mapToDouble(History.Step::validation).toArray());
            series.setMarker(SeriesMarkers.CIRCLE)
                    .setMarkerColor(color)
                    .setLineColor(color)
                    .setLineStyle(THICK);
        }
    }

    /** Steps and means over 1 % of the run around them: single batches are a band too wide to read. */
    private static double[][] smoothed(History history) {
        List<History.Step> steps = history.steps().stream()
                .filter(step -> Double.isFinite(step.training()))
                .toList();
        int half = Math.max(1, steps.size() / 100);
        double[] sums = new double[steps.size() + 1];
        for (int i = 0; i < steps.size(); i++) {
            sums[i + 1] = sums[i] + steps.get(i).training();
        }
        double[] x = new double[steps.size()];
        double[] y = new double[steps.size()];
        for (int i = 0; i < x.length; i++) {
            int from = Math.max(0, i - half);
            int to = Math.min(x.length, i + half + 1);
            x[i] = steps.get(i).step();
            y[i] = (sums[to] - sums[from]) / (to - from);
        }
        return new double[][] {x, y};
    }
}
