package dev.gatun.cli.train;

import dev.gatun.cli.BadInput;

/**
 * Sizes of the character model: an embedding for each of the characters before, side by side, then dense layers with
 * ReLU, then one score per character (Bengio et al. 2003, "A neural probabilistic language model").
 *
 * @param context characters the model sees
 * @param embedding numbers per character
 * @param width units of a hidden layer
 * @param layers hidden layers
 * @param batch places in the text per step, where the user does not say
 * @param steps steps per optimizer, where the user does not say
 */
record ModelShape(String name, int context, int embedding, int width, int layers, int batch, int steps) {
    /** 971,666 parameters over the 98 characters of the JDK's sources. */
    static final ModelShape DEFAULT = new ModelShape("default", 32, 24, 512, 3, 512, 1500);

    /** 4.3 million parameters and a small batch: here a slow optimizer is a third of the step. */
    static final ModelShape LARGE = new ModelShape("large", 32, 24, 1264, 3, 128, 1500);

    static ModelShape parse(String text) {
        return switch (text) {
            case "default" -> DEFAULT;
            case "large" -> LARGE;
            default -> custom(text);
        };
    }

    /** What it is trained with where the user does not say: at batch 128, SGD with a rate of 0.5 diverges. */
    String optimizers() {
        return equals(LARGE) ? Entry.DEFAULTS.replace("sgd(lr=0.5", "sgd(lr=0.2") : Entry.DEFAULTS;
    }

    private static ModelShape custom(String text) {
        String[] parts = text.split(",", -1);
        try {
            if (parts.length == 4) {
                ModelShape shape = new ModelShape(
                        text, number(parts[0]), number(parts[1]), number(parts[2]), number(parts[3]), 512, 1500);
                if (shape.context <= 1024 && shape.embedding <= 4096 && shape.width <= 65536 && shape.layers <= 64) {
                    return shape;
                }
            }
        } catch (NumberFormatException notANumber) {
            // said below
        }
        throw new BadInput(
                "--model " + text + ": pass default, large, or CONTEXT,EMBEDDING,WIDTH,LAYERS such as 32,24,512,3"
                        + " (at most 1024,4096,65536,64)");
    }

    private static int number(String text) {
        int number = Integer.parseInt(text.strip());
        if (number < 1) {
            throw new NumberFormatException(text);
        }
        return number;
    }

    @Override
    public String toString() {
        return "context %d, embedding %d, %d layers of %d".formatted(context, embedding, layers, width);
    }
}
