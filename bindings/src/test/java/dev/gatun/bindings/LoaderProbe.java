package dev.gatun.bindings;

/** The program of {@link LoaderTest}'s child JVMs: loads the library, says what was found or why nothing was. */
final class LoaderProbe {
    private LoaderProbe() {}

    public static void main(String[] arguments) {
        try {
            NativeLibrary.ensureLoaded();
        } catch (UnsatisfiedLinkError first) {
            System.out.println("failed: " + first.getMessage());
            try {
                NativeLibrary.corePath();
                System.out.println("the second call did not fail");
            } catch (UnsatisfiedLinkError second) {
                System.out.println("same again: " + second.getMessage().equals(first.getMessage()));
            }
            System.exit(3);
        }
        System.out.println("core: " + NativeLibrary.corePath());
        System.out.println("origin: " + NativeLibrary.origin());
        System.out.println("version: " + GatunC.gatun_version().getString(0));
        System.out.println("cuda: " + NativeLibrary.cudaPath());
        System.out.println("no cuda: " + NativeLibrary.whyNoCuda().orElse("-"));
    }
}
