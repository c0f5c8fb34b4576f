// The door between libgatun.so and libgatun_cuda.so: a table of functions, versioned by one number.
//
// libgatun.so has no CUDA in it. It opens the backend by an absolute path and asks its one exported symbol for the
// table of the ABI it was compiled with; a backend of another ABI answers null. Every function returns a cudaError_t
// (0: done) and none throws. A failed call has cleared the runtime's own last error: a caller's framework never finds
// it.
#pragma once

#include <stdint.h>

#include "gatun.h"

#define GATUN_CUDA_BACKEND_ABI 1
#define GATUN_CUDA_BACKEND_SYMBOL "gatun_cuda_backend"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct GatunCudaContext GatunCudaContext;

typedef struct GatunCudaBackend {
  int32_t abi; /* GATUN_CUDA_BACKEND_ABI of the backend */
  int32_t (*device_count)(int32_t* count);
  /* 1000 * major + 10 * minor; driver is 0 where none is installed */
  int32_t (*versions)(int32_t* driver, int32_t* runtime);

  /* stream: a cudaStream_t of the caller on that device, or null for one of the context's own */
  int32_t (*context_create)(int32_t ordinal, void* stream, GatunCudaContext** context);
  int32_t (*context_destroy)(GatunCudaContext* context);
  int32_t (*context_info)(GatunCudaContext* context, gatun_device_info* info);
  int32_t (*synchronize)(GatunCudaContext* context);

  /* 256-byte aligned and already zero when the call returns; never null, also for 0 bytes */
  int32_t (*allocate)(GatunCudaContext* context, int64_t bytes, int32_t pinned, void** memory);
  int32_t (*release)(GatunCudaContext* context, void* memory, int32_t pinned);
  /* in stream order; pageable host memory may be reused at once, pinned memory after synchronize() */
  int32_t (*copy)(GatunCudaContext* context, void* destination, const void* source, int64_t bytes);

  const char* (*error_name)(int32_t error);   /* "cudaErrorMemoryAllocation" */
  const char* (*error_string)(int32_t error); /* "out of memory" */
  /* GATUN_UNAVAILABLE, GATUN_OUT_OF_MEMORY or GATUN_CUDA_ERROR */
  gatun_status (*error_status)(int32_t error);
  /* what the user can do about it, as a sentence; null where nothing is known */
  const char* (*error_remedy)(int32_t error);
} GatunCudaBackend;

typedef const GatunCudaBackend* (*GatunCudaBackendFunction)(int32_t abi);

#ifdef __cplusplus
}
#endif
