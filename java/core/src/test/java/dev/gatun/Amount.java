package dev.gatun;

/** How much of what is random or repeated: {@code -Dgatun.test.factor=50} asks for fifty times as much. */
final class Amount {
    private Amount() {}

    static int of(int inEveryRun) {
        return Math.multiplyExact(inEveryRun, Integer.getInteger("gatun.test.factor", 1));
    }
}
