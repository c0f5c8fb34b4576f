/** Optimizer steps for neural-network training: one native call updates all parameters. */
module dev.gatun {
    requires dev.gatun.bindings;
    requires static jdk.jfr;

    exports dev.gatun;
}
