/** The C ABI of Gatun as Java sees it, and the loader of the native library. For {@code dev.gatun} alone. */
module dev.gatun.bindings {
    exports dev.gatun.bindings to
            dev.gatun;
}
