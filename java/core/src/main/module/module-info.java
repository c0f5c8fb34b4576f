/** Optimizer steps for neural-network training: one native call updates all parameters. */
module dev.gatun {
    requires dev.gatun.bindings;

    exports dev.gatun;
}
