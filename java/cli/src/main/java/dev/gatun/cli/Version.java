package dev.gatun.cli;

import picocli.CommandLine.IVersionProvider;

/** The version of the jar this class came in. */
final class Version implements IVersionProvider {
    static String text() {
        String version = Version.class.getPackage().getImplementationVersion();
        return version == null ? "development" : version;
    }

    @Override
    public String[] getVersion() {
        return new String[] {"gatun " + text()};
    }
}
