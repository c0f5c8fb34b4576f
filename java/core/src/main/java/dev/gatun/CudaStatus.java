package dev.gatun;

import java.nio.file.Path;

/**
 * What is known of CUDA on this machine.
 *
 * @param devices how many devices can be opened
 * @param driver the CUDA version that the driver supports, such as 13.0; null if there is no driver
 * @param runtime the CUDA version that Gatun's backend was built with; null if the backend cannot be opened
 * @param library where the backend is, or would be
 * @param reason why no device can be opened; null if one can
 */
public record CudaStatus(int devices, String driver, String runtime, Path library, String reason) {}
