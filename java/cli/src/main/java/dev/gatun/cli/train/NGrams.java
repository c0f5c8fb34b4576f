package dev.gatun.cli.train;

/**
 * What counting gets one, in bits per character of a text the counts were not taken from: the lines a trained model
 * has to be below.
 *
 * <p>Each order is smoothed by the one before: a unigram counts every character once more than it occurred, a bigram
 * and a trigram get {@link #WEIGHT} more observations, distributed as the lower order says.
 *
 * @param unigram characters by their frequency
 * @param bigram characters by the one before
 * @param trigram characters by the two before
 */
record NGrams(double unigram, double bigram, double trigram) {
    private static final double WEIGHT = 2;

    static NGrams of(byte[] training, byte[] text, int vocabulary) {
        int v = vocabulary;
        // Dense: 98 characters make 3.7 MB, the largest vocabulary, 256, makes 67 MB.
        int[] ones = new int[v];
        int[] twos = new int[v * v];
        int[] threes = new int[v * v * v];
        int[] onesBefore = new int[v];
        int[] twosBefore = new int[v * v];
        for (int i = 2; i < training.length; i++) {
            int a = training[i - 2] & 0xff;
            int b = training[i - 1] & 0xff;
            int c = training[i] & 0xff;
            ones[c]++;
            twos[b * v + c]++;
            onesBefore[b]++;
            threes[(a * v + b) * v + c]++;
            twosBefore[a * v + b]++;
        }
        double total = Math.max(0, training.length - 2);
        double unigram = 0;
        double bigram = 0;
        double trigram = 0;
        for (int i = 2; i < text.length; i++) {
            int a = text[i - 2] & 0xff;
            int b = text[i - 1] & 0xff;
            int c = text[i] & 0xff;
            double one = (ones[c] + 1) / (total + v);
            double two = (twos[b * v + c] + WEIGHT * one) / (onesBefore[b] + WEIGHT);
            double three = (threes[(a * v + b) * v + c] + WEIGHT * two) / (twosBefore[a * v + b] + WEIGHT);
            unigram -= Math.log(one);
            bigram -= Math.log(two);
            trigram -= Math.log(three);
        }
        double bits = (text.length - 2) * Math.log(2);
        return new NGrams(unigram / bits, bigram / bits, trigram / bits);
    }
}
