// runtime.h - how this backend calls the CUDA runtime.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>

struct GatunCudaContext {
  int32_t ordinal;
  cudaStream_t stream;
  bool owns_stream;
};

namespace gatun {

#if defined(GATUN_FAULTS)
// The tests' hook: what the next call of the CUDA runtime fails with, or success.
cudaError_t next_fault();
#else
inline cudaError_t next_fault() { return cudaSuccess; }
#endif

// Every call of the CUDA runtime goes through here, as a callable: the one place to make the n-th call fail in a test.
// A failure is returned and taken back from the runtime, whose last error would otherwise surface in the caller's own
// CUDA code.
template <class Call>
int32_t checked(Call&& call) {
  cudaError_t error = next_fault();
  if (error == cudaSuccess) error = call();
  if (error != cudaSuccess) (void)cudaGetLastError();
  return static_cast<int32_t>(error);
}

// For calls that end something. When they report a failure it is that of earlier work; they have done theirs.
template <class Call>
int32_t checked_end(Call&& call) {
  const cudaError_t fault = next_fault(), error = call();
  if (error != cudaSuccess) (void)cudaGetLastError();
  return static_cast<int32_t>(error != cudaSuccess ? error : fault);
}

// Makes a device current for one call and then the former again: the calling thread may belong to a framework that has
// chosen its own. Where both are the same, the usual case, nothing is set.
class OnDevice {
 public:
  explicit OnDevice(int32_t ordinal) : ordinal_(ordinal) {
    error = checked([&] { return cudaGetDevice(&former_); });
    if (error == 0 && former_ != ordinal_) error = checked([&] { return cudaSetDevice(ordinal_); });
  }
  ~OnDevice() {
    if (error == 0 && former_ != ordinal_) (void)checked_end([&] { return cudaSetDevice(former_); });
  }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

  int32_t error;

 private:
  int32_t ordinal_;
  int former_ = 0;
};

}  // namespace gatun
