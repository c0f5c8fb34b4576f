/** What jextract makes of {@code native/include/gatun.h}, and {@link dev.gatun.bindings.NativeLibrary}, which loads the library behind it. */
package dev.gatun.bindings;
