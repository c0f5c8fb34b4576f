// context.h - a device as this library knows it: threads and an instruction set, or a CUDA stream.
#pragma once
#include <memory>
#include <mutex>

#include "core/backend.h"
#include "cpu/kernels.h"
#include "cpu/pool.h"
#include "gatun.h"

struct gatun_context {
  explicit gatun_context(const gatun_context_options& options);
  ~gatun_context();
  gatun_context(const gatun_context&) = delete;
  gatun_context& operator=(const gatun_context&) = delete;

  gatun_device_info info();
  void synchronize();
  void* allocate(int64_t bytes, bool pinned);
  void free(void* memory, bool pinned);
  void copy(void* destination, const void* source, int64_t bytes);
  void traffic(void* const* arrays, int32_t count, int32_t written, int64_t length, int32_t dtype);

  const int32_t backend;
  int32_t isa = 0;                    // CPU
  std::unique_ptr<gatun::Pool> pool;  // CPU
  GatunCudaContext* cuda = nullptr;   // CUDA
  std::mutex lock;                    // one step at a time
};
