// cuda_problem.h - a problem's twin in device memory, and a plan over it. The device may be a GPU or the emulator.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "problem.h"

namespace test {

// An open CUDA context; every call checks that it went well.
class CudaContext {
 public:
  CudaContext();
  ~CudaContext();
  CudaContext(const CudaContext&) = delete;
  CudaContext& operator=(const CudaContext&) = delete;

  void* allocate(int64_t bytes, bool pinned = false);
  void release(void* memory, bool pinned = false);
  void copy(void* to, const void* from, size_t bytes);
  void synchronize();
  gatun_context* get() { return context_; }

 private:
  gatun_context* context_ = nullptr;
};

// An array on the device between poisoned bytes; `misaligned` puts it off 16-byte borders.
class DeviceArray {
 public:
  DeviceArray(CudaContext& context, const Buffer& from, bool misaligned);
  ~DeviceArray();
  DeviceArray(DeviceArray&& other) noexcept;
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  void* data() const { return memory_ + front_; }
  void upload(const Buffer& from);
  void download(Buffer& to);  // and checks the poison

 private:
  CudaContext& context_;
  unsigned char* memory_ = nullptr;
  size_t front_, bytes_;
};

class CudaSession {
 public:
  CudaSession(CudaContext& context, Problem& problem, bool misaligned);
  ~CudaSession();
  CudaSession(const CudaSession&) = delete;
  CudaSession& operator=(const CudaSession&) = delete;

  void bind();  // the problem's gradients and inputs: copied over, and bound or not
  gatun_status step(int64_t flags, double gradient_scale);
  gatun_status phases(int64_t flags, double gradient_scale);
  gatun_step_report report();
  void download();  // weights, state, counters and gradients, into the problem
  gatun_plan* plan() { return plan_; }
  void* input(size_t group, size_t tensor) { return groups_[group].tensors[tensor].input->data(); }
  void* gradient(size_t group, size_t tensor) { return groups_[group].tensors[tensor].gradient.data(); }

 private:
  struct DeviceTensor {
    DeviceArray weight, gradient, master;
    std::vector<DeviceArray> state;
    std::optional<DeviceArray> input = {};  // of this step
  };
  struct DeviceGroup {
    std::vector<DeviceTensor> tensors;
    DeviceArray counters;
  };
  CudaContext& context_;
  Problem& problem_;
  const bool misaligned_;
  std::vector<DeviceGroup> groups_;
  gatun_plan* plan_ = nullptr;
};

}  // namespace test
