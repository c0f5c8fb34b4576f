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
import java.util.function.ToDoubleFunction;
import java.util.stream.DoubleStream;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** A curve for each optimizer over the steps, with the lines to beat, as a PNG. */
final class CurveChart {
    /** Okabe and Ito's palette: told apart by colour-blind readers, too. */
    private static final List<Color> COLORS = List.of(
            new Color(0xD55E00),
            new Color(0x0072B2),
            new Color(0x009E73),
            new Color(0xCC79A7),
            new Color(0xE69F00),
            new Color(0x56B4E9),
            new Color(0x000000),
            new Color(0xF0E442));

    private static final List<Color> GREYS = List.of(new Color(0x404040), new Color(0x808080), new Color(0xB0B0B0));

    private static final BasicStroke THIN = new BasicStroke(1f);
    private static final BasicStroke THICK = new BasicStroke(2.4f);
    private static final BasicStroke DASHED =
            new BasicStroke(1.2f, BasicStroke.CAP_BUTT, BasicStroke.JOIN_BEVEL, 10f, new float[] {7f, 5f}, 0f);

    private final XYChart chart;
    private final int steps;

    private CurveChart(String title, String axis, int steps) {
        this.steps = steps;
        chart = new XYChartBuilder()
                .width(1100)
                .height(680)
                .title(title)
                .xAxisTitle("step")
                .yAxisTitle(axis)
                .build();
        chart.getStyler()
                .setXAxisMin(0.0)
                .setXAxisMax((double) steps)
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

    /** Losses in bits per example, those of the training batches, too. */
    static CurveChart losses(String example, Map<String, History> histories, List<Baseline> baselines, int steps) {
        String unit = "bits per " + example;
        CurveChart chart = new CurveChart(
                "Loss in " + unit + ": validation (thick), training (thin, moving average)",
                unit + " (lower is better)",
                steps);
        double worst = baselines.stream()
                .mapToDouble(baseline -> baseline.score().bits())
                .max()
                .orElseThrow();
        double best = DoubleStream.concat(
                        values(histories, History.Step::training),
                        values(histories, step -> step.validation().bits()))
                .min()
                .orElse(0);
        // The first steps are at log2 of the classes and beyond; showing them would flatten everything else.
        chart.range(Math.floor(Math.min(best, worst) * 2) / 2, Math.ceil((worst + 0.2) * 2) / 2);
        chart.lines(baselines, baseline -> baseline.score().bits(), "%.3f");
        int color = 0;
        for (Map.Entry<String, History> history : histories.entrySet()) {
            Color own = COLORS.get(color++ % COLORS.size());
            chart.training(history.getKey(), history.getValue(), own);
            chart.measured(
                    history.getKey(),
                    history.getValue(),
                    step -> step.validation().bits(),
                    own);
        }
        return chart;
    }

    /** Percent of the validation examples whose class is told right. */
    static CurveChart accuracies(Map<String, History> histories, List<Baseline> baselines, int steps) {
        CurveChart chart = new CurveChart("Validation accuracy", "percent right (higher is better)", steps);
        ToDoubleFunction<History.Step> percent = step -> 100 * step.validation().accuracy();
        double worst = values(histories, percent).min().orElse(0);
        double best = values(histories, percent).max().orElse(100);
        // The last half of the way is what curves differ in.
        chart.range(Math.max(0, Math.floor((best - 0.6 * (best - worst)) / 5) * 5), Math.ceil(best / 5 + 0.1) * 5);
        chart.lines(baselines, baseline -> 100 * baseline.score().accuracy(), "%.1f %%");
        int color = 0;
        for (Map.Entry<String, History> history : histories.entrySet()) {
            chart.measured(history.getKey(), history.getValue(), percent, COLORS.get(color++ % COLORS.size()));
        }
        return chart;
    }

    private static DoubleStream values(Map<String, History> histories, ToDoubleFunction<History.Step> value) {
        return histories.values().stream()
                .flatMap(history -> history.steps().stream())
                .mapToDouble(value)
                .filter(Double::isFinite);
    }

    private void range(double least, double most) {
        chart.getStyler().setYAxisMin(Math.max(0, least)).setYAxisMax(most);
    }

    /** Needs no display, but fonts. */
    void write(Path file) throws IOException {
        try (OutputStream out = Files.newOutputStream(file)) {
            ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", out);
        }
    }

    private void lines(List<Baseline> baselines, ToDoubleFunction<Baseline> value, String format) {
        for (int i = 0; i < baselines.size(); i++) {
            double y = value.applyAsDouble(baselines.get(i));
            if (y >= chart.getStyler().getYAxisMin()) { // neither NaN nor below the picture
                String name = baselines.get(i).name() + " " + format.formatted(y);
                XYSeries series = chart.addSeries(name, new double[] {0, steps}, new double[] {y, y});
                series.setMarker(SeriesMarkers.NONE)
                        .setLineColor(GREYS.get(i % GREYS.size()))
                        .setLineStyle(DASHED);
            }
        }
    }

    private void training(String name, History history, Color color) {
        double[][] training = smoothed(history);
        if (training[0].length > 0) {
            Color pale = new Color(color.getRed(), color.getGreen(), color.getBlue(), 110);
            XYSeries series = chart.addSeries(name + " training", training[0], training[1]);
            series.setMarker(SeriesMarkers.NONE).setLineColor(pale).setLineStyle(THIN);
            series.setShowInLegend(false);
        }
    }

    private void measured(String name, History history, ToDoubleFunction<History.Step> value, Color color) {
        List<History.Step> measured = history.steps().stream()
                .filter(step -> Double.isFinite(value.applyAsDouble(step)))
                .toList();
        if (!measured.isEmpty()) {
            XYSeries series = chart.addSeries(
                    name,
                    measured.stream().mapToDouble(History.Step::step).toArray(),
                    measured.stream().mapToDouble(value).toArray());
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
