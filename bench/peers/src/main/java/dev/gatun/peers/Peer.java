package dev.gatun.peers;

/** An optimizer step as a JVM user would take it without Gatun, on weights, gradients and state of its own. */
interface Peer extends AutoCloseable {
    /**
     * Puts the problem's gradients where the next step reads them. Not part of a step's time: a backward pass does it, and
     * several peers overwrite what they read.
     */
    void gradients();

    void step();

    /** A copy of a tensor's weights. */
    float[] weight(int tensor);

    @Override
    void close();

    /** The peer that {@code gatun bench} knows by this name. */
    static Peer of(String name, Problem problem) {
        return switch (name) {
            case "java-loops" -> new JavaPeer(problem, new LoopKernel());
            case "java-vector" -> new JavaPeer(problem, new VectorKernel());
            case "djl-adamw", "djl-adamw-malloc" -> new TrainerPeer(problem, TrainerPeer.adamW());
            case "djl-adam" -> new TrainerPeer(problem, TrainerPeer.adam());
            case "libtorch-adamw" -> new LibtorchPeer(problem);
            case "djl-ops-sing" -> new SingPeer(problem);
            case "djl-ops-aida" -> new AidaPeer(problem);
            case "nd4j-adam" -> Nd4jPeer.adam(problem);
            case "nd4j-adabelief" -> Nd4jPeer.adaBelief(problem);
            default -> throw new IllegalArgumentException("no peer is called '" + name + "'");
        };
    }
}
