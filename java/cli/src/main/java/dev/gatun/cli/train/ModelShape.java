package dev.gatun.cli.train;

import dev.gatun.cli.BadInput;
import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.Stream;

/** What network is trained in which task, and by how much where the user does not say. */
sealed interface ModelShape permits CharShape, ConvShape {
    /** The tasks, as the command line spells them in lower case. */
    enum Kind {
        TEXT,
        IMAGES
    }

    Kind task();

    /** As the user says it: default, large, or sizes. */
    String name();

    /** Reads the data that a run is to train this network on; null for the task's own. */
    Task load(Path data) throws IOException;

    /** Examples per step. */
    int batch();

    /** Steps of each optimizer. */
    int steps();

    /** ... and of a run of less than two minutes. */
    int quickSteps();

    /** Threads for forward and backward passes where so many are asked for, 0 for the framework's choice. */
    int threads(int asked);

    static ModelShape parse(Kind task, String text) {
        return switch (task) {
            case TEXT -> CharShape.parse(text);
            case IMAGES -> ConvShape.parse(text);
        };
    }

    /** Positive numbers separated by commas; none if there is anything else. */
    static int[] numbers(String text) {
        try {
            int[] numbers = Stream.of(text.split(",", -1))
                    .mapToInt(part -> Integer.parseInt(part.strip()))
                    .toArray();
            for (int number : numbers) {
                if (number < 1) {
                    return new int[0];
                }
            }
            return numbers;
        } catch (NumberFormatException notANumber) {
            return new int[0];
        }
    }

    static BadInput refused(String text, String instead) {
        return new BadInput("--model " + text + ": pass " + instead);
    }
}
