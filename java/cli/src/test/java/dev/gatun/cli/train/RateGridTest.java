package dev.gatun.cli.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;

class RateGridTest {
    private static List<Double> search(RateGrid grid, DoubleUnaryOperator loss) {
        List<Double> tried = new ArrayList<>();
        for (double lr = grid.next(); !Double.isNaN(lr); lr = grid.next()) {
            tried.add(lr);
            grid.tried(lr, loss.applyAsDouble(lr));
        }
        return tried;
    }

    /** A loss with one valley. */
    private static DoubleUnaryOperator valley(double at) {
        return lr -> Math.abs(Math.log(lr / at));
    }

    @Test
    void theMiddleFirstThenItsNeighbours() {
        RateGrid grid = new RateGrid(0.01);
        assertThat(search(grid, valley(0.011))).containsExactly(0.01, 0.0032, 0.032, 0.0056, 0.018);
    }

    @Test
    void goesOnOverTheEdgeUntilTheBestIsInside() {
        RateGrid up = new RateGrid(0.01);
        assertThat(search(up, valley(1))).containsExactly(0.01, 0.0032, 0.032, 0.1, 0.32, 1.0, 3.2, 0.56, 1.8);
        RateGrid down = new RateGrid(1);
        assertThat(search(down, valley(0.018))).containsExactly(1.0, 0.32, 3.2, 0.1, 0.032, 0.01, 0.018);
    }

    @Test
    void whatDivergedIsWorstAndTheSearchEnds() {
        assertThat(search(
                        new RateGrid(1),
                        lr -> lr > 0.5 ? Double.NaN : valley(10).applyAsDouble(lr)))
                .containsExactly(1.0, 0.32, 3.2, 0.1, 0.18, 0.56);
        assertThat(search(new RateGrid(1), lr -> -lr)).hasSizeLessThan(60);
        assertThat(search(new RateGrid(1), lr -> Double.NaN)).hasSizeLessThan(60);
    }

    @Test
    void ofRatesThatAreAlikeTheSmallestIsTaken() {
        List<LearningRates.Tried> tried = List.of(
                new LearningRates.Tried(0.1, 3.02 + 2 * RateSearch.NOISE, 0.3),
                new LearningRates.Tried(0.2, 3.02 + 0.9 * RateSearch.NOISE, 0.3),
                new LearningRates.Tried(0.3, 3.02, 0.3),
                new LearningRates.Tried(0.4, null, null));
        assertThat(RateSearch.chosen(tried)).isEqualTo(0.2);
    }
}
