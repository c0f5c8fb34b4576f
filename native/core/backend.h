// The door between libgatun.so and libgatun_cuda.so: a table of functions, versioned by one number.
//
// libgatun.so has no CUDA in it. It opens the backend by an absolute path and asks its one exported symbol for the
// table of the ABI it was compiled with; a backend of another ABI answers null. Every function returns a cudaError_t
// (0: done) and none throws. A failed call has cleared the runtime's own last error: a caller's framework never finds
// it.
//
// The order rule: everything that is asked of a context happens in its stream, in the order in which it was asked for.
// Only synchronize, plan_report, plan_squares, allocate, release, plan_create and the destroys wait for it; nothing
// else does. Whoever uses another stream beside it, or reads memory from the host, synchronizes first.
#pragma once

#include <stdint.h>

#include "gatun.h"

#define GATUN_CUDA_BACKEND_ABI 6
#define GATUN_CUDA_BACKEND_SYMBOL "gatun_cuda_backend"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct GatunCudaContext GatunCudaContext;
typedef struct GatunCudaPlan GatunCudaPlan;

/* Phases of a step; those of one call are one run through the stream. */
enum { GATUN_PHASE_REDUCE = 1, GATUN_PHASE_FINALIZE = 2, GATUN_PHASE_APPLY = 4, GATUN_PHASE_ALL = 7 };

/* How the steps of a plan are launched. */
typedef struct GatunCudaDesign {
  int64_t window; /* elements that are summed before the update of those before them begins */
  int32_t fuses;  /* 1: in one launch where no tensor waits for another; 0: always phase by phase */
  int32_t reserved;
} GatunCudaDesign;

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

  /* The groups have been checked. Builds the tables and waits for them; the counters are device memory. */
  int32_t (*plan_create)(GatunCudaContext* context, const gatun_group* groups, int64_t count,
                         const GatunCudaDesign* design, GatunCudaPlan** plan);
  int32_t (*plan_destroy)(GatunCudaPlan* plan);
  /* only noted; the next run takes what has changed to the device in one copy */
  void (*plan_gradient)(GatunCudaPlan* plan, int64_t group, int64_t tensor, void* gradient, int32_t dtype);
  /* Checked; null for none. Likewise only noted; it may need memory, and after a failure the input is what it was. */
  int32_t (*plan_input)(GatunCudaPlan* plan, int64_t group, int64_t tensor, const gatun_input* input);
  /* learning rates and gradient scale for the runs that follow in the stream */
  int32_t (*plan_values)(GatunCudaPlan* plan, const gatun_step_arguments* arguments);
  /* Asynchronous. Takes the values along, except while the stream is being captured: then plan_values, called before a
     replay, is what the replay uses. */
  int32_t (*plan_run)(GatunCudaPlan* plan, const gatun_step_arguments* arguments, int32_t phases);
  int32_t (*plan_report)(GatunCudaPlan* plan, gatun_step_report* report);
  /* the squared norm of every tensor's gradient, as the last sums found it */
  int32_t (*plan_squares)(GatunCudaPlan* plan, double* squares);
  /* asynchronous; of 4-byte words, at addresses that are multiples of 4 */
  int32_t (*traffic)(GatunCudaContext* context, void* const* arrays, int32_t count, int32_t written, int64_t words);

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
