// Opens libgatun_cuda.so and remembers how that went.
#pragma once

#include <cstdint>

#include "core/backend.h"

namespace gatun {

// Opens the backend at an absolute path; throws Error when that fails. The result is remembered: the same path again
// costs a lock and a comparison, and fails again with the same words. After a failure another path is tried afresh.
void cuda_open(const char* path);

// The opened backend; throws Error(GATUN_UNAVAILABLE) with the reason where there is none. Never null.
const GatunCudaBackend* cuda_backend();

// Throws "what: cudaErrorX: text. remedy" with the CUDA error as code, unless error is 0.
void cuda_check(int32_t error, const char* what);

}  // namespace gatun
