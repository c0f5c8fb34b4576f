// runtime.cpp - the CUDA runtime of cuda_runtime_api.h. A stream does nothing until somebody waits for it: what is
// asked of it asynchronously must still be right then. So a copy from pinned memory that has been reused too early is
// seen. With GATUN_EMULATOR_STRICT in the environment device memory is out of bounds for the host (memory.h), and the
// host's pageable memory is for kernels.
#include "cuda/runtime.h"

#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "cuda/intrinsics.cuh"
#include "cuda/tables.h"
#include "emulator/memory.h"

using Work = std::function<void()>;

struct EmulatedGraph {
  std::vector<Work> work;
};
struct EmulatedStream {
  std::vector<Work> work;
  bool capturing = false;
};
struct EmulatedEvent {
  EmulatedStream* stream = nullptr;
};

namespace {

using Allocations = std::map<const void*, size_t>;

struct Device {
  Allocations device, host;
  std::set<EmulatedStream*> streams;
  long long handles = 0, calls = 0, fail_at = 0, copies = 0, launches = 0;
  cudaError_t fail_with = cudaSuccess;
  simt::Order order{0, 1};
  int multiprocessors = 2;
  uint32_t launch_number = 0;
};
Device& state() {
  static Device device;
  return device;
}

// CUDA's functions may be called from several threads.
std::recursive_mutex mutex;
using Lock = std::lock_guard<std::recursive_mutex>;

void run(EmulatedStream* stream) {
  std::vector<Work> work;
  work.swap(stream->work);
  const emulator::Access access;
  for (const Work& w : work) w();
}

bool is_within(const Allocations& allocations, const void* address, size_t bytes) {
  auto next = allocations.upper_bound(address);
  if (next == allocations.begin()) return false;
  --next;
  const auto offset = size_t(static_cast<const char*>(address) - static_cast<const char*>(next->first));
  return offset <= next->second && bytes <= next->second - offset;
}

cudaError_t allocated(Allocations& allocations, void* memory, size_t bytes) {
  if (memory == nullptr) return cudaErrorMemoryAllocation;
  const emulator::Access access;
  std::memset(memory, 0xa5, bytes);  // fresh memory is anything
  allocations[memory] = bytes;
  return cudaSuccess;
}

// A GPU without unified memory ends every step of the process when a kernel touches the host's pageable memory. A
// tensor that is there is found before its launch, by whether all that its tables name is the device's or pinned.
void require_reachable(const gatun::Tables& tables) {
  if (!emulator::strict()) return;
  const auto require = [&](const void* address, const char* what) {
    if (address != nullptr && !is_within(state().device, address, 1) && !is_within(state().host, address, 1))
      simt::die(what, "is in pageable host memory");
  };
  for (int64_t i = 0; i < tables.tensor_count; ++i) {
    const gatun::TensorEntry& tensor = tables.tensors[i];
    require(tensor.steps, "a step counter");
    if (tensor.geometry.length == 0) continue;
    require(tensor.weight, "a weight");
    require(tensor.half, "a weight of BF16 or F16");
    require(tables.gradients[i].address, "a gradient");
    for (const void* slot : tensor.state) require(slot, "a state tensor");
  }
}

}  // namespace

namespace gatun {
cudaError_t next_fault() {
  Device& d = state();
  return ++d.calls == d.fail_at ? d.fail_with : cudaSuccess;
}
}  // namespace gatun

#pragma GCC visibility push(default)
extern "C" {

void gatun_emulator_order(unsigned seed, int resident_blocks, int multiprocessors) {
  state().order = {seed, resident_blocks};
  state().multiprocessors = multiprocessors;
}
void gatun_emulator_fail(long long call, int error) {
  state().fail_at = call, state().fail_with = static_cast<cudaError_t>(error), state().calls = 0;
}
long long gatun_emulator_calls() { return state().calls; }
long long gatun_emulator_live() {
  return static_cast<long long>(state().device.size() + state().host.size()) + state().handles;
}
long long gatun_emulator_copies() { return state().copies; }
long long gatun_emulator_launches() { return state().launches; }

cudaError_t cudaGetLastError() { return cudaSuccess; }
const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    default:
      return "cudaErrorUnknown";
  }
}
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorIllegalAddress ? "an illegal memory access was encountered" : "an error of the emulator";
}
cudaError_t cudaDriverGetVersion(int* version) { return *version = 13000, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 13000, cudaSuccess; }
cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"SIMT emulator", size_t{1} << 32, state().multiprocessors, 9, 0};
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  return *value = state().multiprocessors, cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  const Lock lock(mutex);
  if (bytes == 0) return *memory = nullptr, cudaSuccess;  // as CUDA does
  return allocated(state().device, *memory = emulator::take(bytes), bytes);
}
cudaError_t cudaFree(void* memory) {
  const Lock lock(mutex);
  for (EmulatedStream* stream : state().streams) run(stream);  // CUDA's waits for the device, too
  if (memory == nullptr) return cudaSuccess;
  if (state().device.erase(memory) == 0) return cudaErrorInvalidValue;
  emulator::give_back(memory);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  const Lock lock(mutex);
  if (bytes == 0) return *memory = nullptr, cudaSuccess;
  return allocated(state().host, *memory = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096), bytes);
}
cudaError_t cudaFreeHost(void* memory) {
  const Lock lock(mutex);
  if (memory == nullptr) return cudaSuccess;
  if (state().host.erase(memory) == 0) return cudaErrorInvalidValue;
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  const Lock lock(mutex);
  const bool to_device = is_within(state().device, to, bytes);
  if (!to_device && !is_within(state().device, from, bytes)) return cudaErrorInvalidValue;
  state().copies += to_device;
  if (is_within(state().host, from, bytes) || is_within(state().device, from, bytes)) {
    stream->work.emplace_back([=] { std::memcpy(to, from, bytes); });
    if (!to_device && !is_within(state().host, to, bytes)) run(stream);  // pageable memory is written at once
  } else {
    const auto* first = static_cast<const char*>(from);
    auto staged = std::make_shared<std::vector<char>>(first, first + bytes);
    stream->work.emplace_back([=] { std::memcpy(to, staged->data(), bytes); });
  }
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  const Lock lock(mutex);
  if (!is_within(state().device, memory, bytes)) return cudaErrorInvalidValue;
  stream->work.emplace_back([=] { std::memset(memory, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const Lock lock(mutex);
  ++state().handles;
  *stream = new EmulatedStream;
  state().streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Lock lock(mutex);
  --state().handles;
  state().streams.erase(stream);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Lock lock(mutex);
  if (stream->capturing) return cudaErrorStreamCaptureUnsupported;
  run(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = stream->capturing ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  run(stream);
  stream->capturing = true;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  ++state().handles;
  *graph = new EmulatedGraph;
  (*graph)->work.swap(stream->work);
  stream->capturing = false;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  ++state().handles;
  return *executable = new EmulatedGraph(*graph), cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  for (const Work& work : executable->work) stream->work.push_back(work);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  --state().handles;
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) { return cudaGraphDestroy(executable); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  ++state().handles;
  return *event = new EmulatedEvent, cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  --state().handles;
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) { return event->stream = stream, cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Lock lock(mutex);
  if (event->stream != nullptr) run(event->stream);
  return cudaSuccess;
}

// Every kernel of this backend takes its tables and nothing else.
cudaError_t cudaLaunchKernel(const void* kernel, dim3 grid, dim3 block, void** arguments, size_t, cudaStream_t stream) {
  const Lock lock(mutex);
  const auto tables = *static_cast<gatun::Tables*>(arguments[0]);
  const auto function = reinterpret_cast<void (*)(gatun::Tables)>(reinterpret_cast<uintptr_t>(kernel));
  ++state().launches;
  stream->work.emplace_back([=] {
    require_reachable(tables);
    simt::Order order = state().order;
    if (order.seed != 0) order.seed = order.seed * 7919 + ++state().launch_number;  // each launch in its own order
    simt::launch(grid.x, int(block.x), order, [&] { function(tables); });
  });
  return cudaSuccess;
}

}  // extern "C"
#pragma GCC visibility pop
