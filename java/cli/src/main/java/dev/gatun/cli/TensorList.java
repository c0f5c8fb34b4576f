package dev.gatun.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The shapes of a network's parameters, or of something simpler to time a step on.
 *
 * @param name what the user wrote
 * @param shapes one per tensor, dimension 0 first
 */
record TensorList(String name, List<long[]> shapes) {
    /** More elements than this do not fit the memory of any machine this is for: 2^40. */
    private static final long MOST_ELEMENTS = 1L << 40;

    private static final Pattern SINGLE = Pattern.compile("(\\d{1,9})([km])");
    private static final Pattern EQUAL = Pattern.compile("(\\d{1,9})x(\\d{1,12})");

    /** The named networks, {@code 50m} or {@code 100k} (one matrix of so many elements), {@code 5000x1000} (5000 vectors). */
    static TensorList parse(String text) {
        String name = text.strip().toLowerCase(Locale.ROOT);
        TensorList list = switch (name) {
            case "resnet50" -> new TensorList(name, resnet50());
            case "gpt2" -> new TensorList(name, gpt2());
            case "tiny" -> new TensorList(name, tiny());
            default -> simple(name);
        };
        if (list == null || list.parameters() < 1 || list.parameters() > MOST_ELEMENTS) {
            throw new BadInput("--lists: '" + text.strip() + "' is not a list; pass resnet50, gpt2, one matrix such as"
                    + " 50m or 100k, or vectors such as 5000x1000");
        }
        return list;
    }

    long parameters() {
        return shapes.stream().mapToLong(TensorList::elements).sum();
    }

    static long elements(long... shape) {
        long elements = 1;
        for (long size : shape) {
            elements = Math.multiplyExact(elements, size);
        }
        return elements;
    }

    private static TensorList simple(String name) {
        Matcher single = SINGLE.matcher(name);
        if (single.matches()) {
            long count = Long.parseLong(single.group(1)) * (single.group(2).equals("m") ? 1_000_000 : 1_000);
            return count < 1 ? null : new TensorList(name, List.of(matrix(count)));
        }
        Matcher equal = EQUAL.matcher(name);
        if (equal.matches()) {
            long tensors = Long.parseLong(equal.group(1));
            long length = Long.parseLong(equal.group(2));
            if (tensors < 1 || length < 1 || tensors > 10_000_000 || length > MOST_ELEMENTS / tensors) {
                return null;
            }
            List<long[]> shapes = new ArrayList<>();
            for (long i = 0; i < tensors; i++) {
                shapes.add(new long[] {length});
            }
            return new TensorList(name, shapes);
        }
        return null;
    }

    /** As square as whole numbers allow: a layer, not a column, so that SING has rows to centre. */
    private static long[] matrix(long count) {
        long rows = (long) Math.sqrt(count);
        while (count % rows != 0) {
            rows--;
        }
        return new long[] {rows, count / rows};
    }

    /** He et al., arXiv 1512.03385, table 1, as torchvision lays it out: 161 tensors, 25,557,032 parameters. */
    private static List<long[]> resnet50() {
        List<long[]> shapes = new ArrayList<>();
        convolution(shapes, 64, 3, 7);
        long in = 64;
        int[] blocks = {3, 4, 6, 3};
        for (int stage = 0; stage < blocks.length; stage++) {
            long width = 64L << stage;
            for (int block = 0; block < blocks[stage]; block++) {
                convolution(shapes, width, in, 1);
                convolution(shapes, width, width, 3);
                convolution(shapes, 4 * width, width, 1);
                if (block == 0) {
                    convolution(shapes, 4 * width, in, 1); // the shortcut, where the number of channels changes
                }
                in = 4 * width;
            }
        }
        shapes.add(new long[] {1000, in});
        shapes.add(new long[] {1000});
        return shapes;
    }

    /** A convolution without bias and its batch norm's gain and bias. */
    private static void convolution(List<long[]> shapes, long out, long in, long kernel) {
        shapes.add(new long[] {out, in, kernel, kernel});
        shapes.add(new long[] {out});
        shapes.add(new long[] {out});
    }

    /** Radford et al. 2019, the smallest model, head tied to the embedding: 148 tensors, 124,439,808 parameters. */
    private static List<long[]> gpt2() {
        long width = 768;
        List<long[]> shapes = new ArrayList<>();
        shapes.add(new long[] {50257, width});
        shapes.add(new long[] {1024, width});
        for (int layer = 0; layer < 12; layer++) {
            vectors(shapes, width, width);
            dense(shapes, width, 3 * width);
            dense(shapes, width, width);
            vectors(shapes, width, width);
            dense(shapes, width, 4 * width);
            dense(shapes, 4 * width, width);
        }
        vectors(shapes, width, width);
        return shapes;
    }

    private static void dense(List<long[]> shapes, long in, long out) {
        shapes.add(new long[] {in, out});
        shapes.add(new long[] {out});
    }

    private static void vectors(List<long[]> shapes, long... lengths) {
        for (long length : lengths) {
            shapes.add(new long[] {length});
        }
    }

    /** Awkward shapes in little memory, to try the command out. */
    private static List<long[]> tiny() {
        return List.of(
                new long[] {64, 3, 3, 3},
                new long[] {64},
                new long[] {1},
                new long[] {33, 65},
                new long[] {4, 1},
                new long[] {1000});
    }
}
