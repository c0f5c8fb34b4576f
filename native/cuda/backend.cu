// libgatun_cuda.so: devices, memory, copies and streams behind the table of core/backend.h.
//
// Linked against the static CUDA runtime and never against the driver library, so that it loads, and can say what is
// missing, on a machine without a driver.

#include "cuda/runtime.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "core/backend.h"
#include "cuda/plan.h"
#include "cuda/traffic.h"

using gatun::checked;
using gatun::checked_end;
using gatun::OnDevice;

namespace {

int32_t device_count(int32_t* count) {
  int devices = 0;
  const int32_t error = checked([&] { return cudaGetDeviceCount(&devices); });
  *count = error == 0 ? devices : 0;
  return error;
}

int32_t versions(int32_t* driver, int32_t* runtime) {
  int driver_version = 0, runtime_version = 0;
  int32_t error = checked([&] { return cudaDriverGetVersion(&driver_version); });
  if (error == 0) error = checked([&] { return cudaRuntimeGetVersion(&runtime_version); });
  *driver = driver_version;
  *runtime = runtime_version;
  return error;
}

int32_t context_create(int32_t ordinal, void* stream, GatunCudaContext** context) {
  *context = nullptr;
  const OnDevice device(ordinal);
  if (device.error != 0) return device.error;
  auto* const created =
      new (std::nothrow) GatunCudaContext{ordinal, static_cast<cudaStream_t>(stream), stream == nullptr};
  if (created == nullptr) return cudaErrorMemoryAllocation;
  if (created->owns_stream) {
    // non-blocking: the legacy default stream of other code in the process must not order our steps
    const int32_t error = checked([&] { return cudaStreamCreateWithFlags(&created->stream, cudaStreamNonBlocking); });
    if (error != 0) {
      delete created;
      return error;
    }
  }
  *context = created;
  return 0;
}

int32_t synchronize(GatunCudaContext* context) {
  const OnDevice device(context->ordinal);
  if (device.error != 0) return device.error;
  return checked([&] { return cudaStreamSynchronize(context->stream); });
}

// Ends the stream also after a failure: the handle is gone either way.
int32_t context_destroy(GatunCudaContext* context) {
  if (context == nullptr) return 0;
  int32_t error;
  {
    const OnDevice device(context->ordinal);
    error = checked_end([&] { return cudaStreamSynchronize(context->stream); });
    if (context->owns_stream) {
      const int32_t destroyed = checked_end([&] { return cudaStreamDestroy(context->stream); });
      if (error == 0) error = destroyed;
    }
    if (error == 0) error = device.error;
  }
  delete context;
  return error;
}

int32_t context_info(GatunCudaContext* context, gatun_device_info* info) {
  cudaDeviceProp properties;
  const int32_t error = checked([&] { return cudaGetDeviceProperties(&properties, context->ordinal); });
  if (error != 0) return error;
  std::memset(info, 0, sizeof *info);
  info->memory_bytes = static_cast<int64_t>(properties.totalGlobalMem);
  info->threads = properties.multiProcessorCount;
  info->isa = 10 * properties.major + properties.minor;
  std::memcpy(info->name, properties.name, strnlen(properties.name, sizeof info->name - 1));
  return 0;
}

int32_t allocate(GatunCudaContext* context, int64_t bytes, int32_t pinned, void** memory) {
  *memory = nullptr;
  const OnDevice device(context->ordinal);
  if (device.error != 0) return device.error;
  // cudaMalloc gives null for 0 bytes; its alignment is at least 256, that of pinned memory is a page
  const size_t size = static_cast<size_t>(std::max<int64_t>(bytes, 1));
  void* allocated = nullptr;
  if (pinned != 0) {
    const int32_t error = checked([&] { return cudaHostAlloc(&allocated, size, cudaHostAllocPortable); });
    if (error != 0) return error;
    std::memset(allocated, 0, size);
  } else {
    int32_t error = checked([&] { return cudaMalloc(&allocated, size); });
    if (error != 0) return error;
    error = checked([&] { return cudaMemsetAsync(allocated, 0, size, context->stream); });
    // other streams and threads may use the memory at once; allocations are rare, a step makes none
    if (error == 0) error = checked([&] { return cudaStreamSynchronize(context->stream); });
    if (error != 0) {
      (void)checked_end([&] { return cudaFree(allocated); });
      return error;
    }
  }
  *memory = allocated;
  return 0;
}

// Frees also where it reports a failure, which is that of earlier work.
int32_t release(GatunCudaContext* context, void* memory, int32_t pinned) {
  if (memory == nullptr) return 0;
  const OnDevice device(context->ordinal);
  // cudaFree waits for the device on its own; for pinned memory nobody else does
  int32_t error = checked_end([&] { return cudaStreamSynchronize(context->stream); });
  const int32_t freed = checked_end([&] { return pinned != 0 ? cudaFreeHost(memory) : cudaFree(memory); });
  if (error == 0) error = freed;
  return error != 0 ? error : device.error;
}

int32_t copy(GatunCudaContext* context, void* destination, const void* source, int64_t bytes) {
  if (bytes == 0) return 0;
  const OnDevice device(context->ordinal);
  if (device.error != 0) return device.error;
  return checked([&] {
    return cudaMemcpyAsync(destination, source, static_cast<size_t>(bytes), cudaMemcpyDefault, context->stream);
  });
}

const char* error_name(int32_t error) { return cudaGetErrorName(static_cast<cudaError_t>(error)); }
const char* error_string(int32_t error) { return cudaGetErrorString(static_cast<cudaError_t>(error)); }

gatun_status error_status(int32_t error) {
  switch (error) {
    case cudaErrorInsufficientDriver:
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorCompatNotSupportedOnDevice:
    case cudaErrorDevicesUnavailable:
    case cudaErrorStubLibrary:
      return GATUN_UNAVAILABLE;
    case cudaErrorMemoryAllocation:
      return GATUN_OUT_OF_MEMORY;
    default:
      return GATUN_CUDA_ERROR;
  }
}

const char* error_remedy(int32_t error) {
  switch (error) {
    case cudaErrorInsufficientDriver: {
      // the runtime has one word for "too old" and for "not there"; the driver's version tells them apart
      int driver = 0;
      if (checked([&] { return cudaDriverGetVersion(&driver); }) == 0 && driver > 0) {
        return "The NVIDIA driver here is older than the CUDA version this backend was built with; install a newer "
               "driver "
               "(nvidia-smi shows the version)";
      }
      return "There is no NVIDIA driver here (libcuda.so.1 was not found); install the driver of the graphics card, or "
             "in a "
             "container start it with the GPU passed through (--gpus all)";
    }
    case cudaErrorNoDevice:
      return "The driver is there but shows no GPU; look at nvidia-smi and at CUDA_VISIBLE_DEVICES";
    case cudaErrorInvalidDevice:
      return "Device numbers start at 0 and end below the number of GPUs that CUDA_VISIBLE_DEVICES leaves visible";
    case cudaErrorSystemDriverMismatch:
      return "The loaded kernel driver and libcuda.so.1 are of different versions; restart the machine after a driver "
             "update";
    case cudaErrorDevicesUnavailable:
      return "Another process has the GPU for itself (exclusive compute mode); nvidia-smi shows which";
    case cudaErrorStubLibrary:
      return "libcuda.so.1 is the toolkit's stub, not a driver; take the stubs folder out of LD_LIBRARY_PATH";
    case cudaErrorStreamCaptureUnsupported:
      return "A step can be captured when the device knows all addresses of gradients and inputs: take one step, or "
             "call "
             "gatun_plan_values, after binding them and before the capture";
    case cudaErrorMemoryAllocation:
      return "Free device memory, or share the GPU with fewer processes (nvidia-smi shows them)";
    default:
      return nullptr;
  }
}

const GatunCudaBackend backend = {
    GATUN_CUDA_BACKEND_ABI,
    device_count,
    versions,
    context_create,
    context_destroy,
    context_info,
    synchronize,
    allocate,
    release,
    copy,
    gatun::plan_create,
    gatun::plan_destroy,
    gatun::plan_gradient,
    gatun::plan_input,
    gatun::plan_values,
    gatun::plan_run,
    gatun::plan_report,
    gatun::plan_squares,
    gatun::traffic,
    error_name,
    error_string,
    error_status,
    error_remedy,
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const GatunCudaBackend* gatun_cuda_backend(int32_t abi) {
  return abi == GATUN_CUDA_BACKEND_ABI ? &backend : nullptr;
}
