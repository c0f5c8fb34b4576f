package dev.gatun.cli.train;

/**
 * What each pixel value becomes in each channel, so that a channel has mean 0 and variance 1 over the images to train
 * on. Its sums are of whole numbers, so they are exact and in no need of an order.
 */
final class Normalization {
    private final float[][] values;

    Normalization(Images images) {
        LabelledImages learned = images.learned();
        values = new float[learned.channels()][256];
        int plane = learned.height() * learned.width();
        for (int channel = 0; channel < values.length; channel++) {
            long[] counts = new long[256];
            for (int image : images.training()) {
                int from = image * learned.size() + channel * plane;
                for (int k = from; k < from + plane; k++) {
                    counts[learned.pixels()[k] & 0xff]++;
                }
            }
            long total = (long) images.training().length * plane;
            long sum = 0;
            long squares = 0;
            for (int pixel = 0; pixel < 256; pixel++) {
                sum += counts[pixel] * pixel;
                squares += counts[pixel] * pixel * pixel;
            }
            double mean = (double) sum / total;
            double deviation = Math.sqrt((double) squares / total - mean * mean);
            for (int pixel = 0; pixel < 256; pixel++) {
                // A channel with one value only says nothing: 0, not a division by 0.
                values[channel][pixel] = deviation > 0 ? (float) ((pixel - mean) / deviation) : 0;
            }
        }
    }

    /** By pixel value, 0 to 255. */
    float[] values(int channel) {
        return values[channel];
    }
}
