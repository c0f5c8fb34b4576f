#include "cuda_problem.h"

#include <algorithm>

namespace test {

CudaContext::CudaContext() {
  gatun_context_options options{};
  options.backend = GATUN_CUDA;
  CHECK_OK(gatun_context_create(&options, &context_));
}
CudaContext::~CudaContext() { CHECK_OK(gatun_context_destroy(context_)); }
void* CudaContext::allocate(int64_t bytes, bool pinned) {
  void* memory = nullptr;
  CHECK_OK(gatun_memory_allocate(context_, bytes, pinned, &memory));
  return memory;
}
void CudaContext::release(void* memory, bool pinned) { CHECK_OK(gatun_memory_free(context_, memory, pinned)); }
void CudaContext::copy(void* to, const void* from, size_t bytes) {
  CHECK_OK(gatun_memory_copy(context_, to, from, int64_t(bytes)));
}
void CudaContext::synchronize() { CHECK_OK(gatun_context_synchronize(context_)); }

namespace {
constexpr size_t kFront = 32;
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kBack = 0;  // the emulator's memory has redzones
#else
constexpr size_t kBack = 64;
#endif
}  // namespace

DeviceArray::DeviceArray(CudaContext& context, const Buffer& from, bool misaligned)
    : context_(context), front_(misaligned ? kFront + from.element_bytes() : kFront), bytes_(from.bytes()) {
  const std::vector<unsigned char> poison(front_ + bytes_ + kBack, 0xff);
  memory_ = static_cast<unsigned char*>(context.allocate(int64_t(poison.size())));
  context.copy(memory_, poison.data(), poison.size());
  upload(from);
}
DeviceArray::~DeviceArray() {
  if (memory_ != nullptr) context_.release(memory_);
}
DeviceArray::DeviceArray(DeviceArray&& other) noexcept
    : context_(other.context_), memory_(other.memory_), front_(other.front_), bytes_(other.bytes_) {
  other.memory_ = nullptr;
}
void DeviceArray::upload(const Buffer& from) {
  if (bytes_ > 0) context_.copy(data(), from.data(), bytes_);
}
void DeviceArray::download(Buffer& to) {
  std::vector<unsigned char> all(front_ + bytes_ + kBack);
  context_.copy(all.data(), memory_, all.size());
  context_.synchronize();
  const auto poisoned = [](unsigned char byte) { return byte == 0xff; };
  const auto begin = all.begin() + long(front_), end = begin + long(bytes_);
  CHECK(std::all_of(all.begin(), begin, poisoned), "device memory before an array was written");
  CHECK(std::all_of(end, all.end(), poisoned), "device memory behind an array was written");
  std::copy(begin, end, static_cast<unsigned char*>(to.data()));
}

CudaSession::CudaSession(CudaContext& context, Problem& problem, bool misaligned)
    : context_(context), problem_(problem), misaligned_(misaligned) {
  for (GroupData& group : problem.groups) {
    std::vector<DeviceTensor> tensors;
    for (size_t t = 0; t < group.tensors.size(); ++t) {
      TensorData& tensor = group.tensors[t];
      const auto off = [&](size_t array) { return misaligned && (t + array) % 3 == 0; };
      std::vector<DeviceArray> state;
      for (size_t s = 0; s < tensor.state.size(); ++s) state.emplace_back(context, tensor.state[s], off(2 + s));
      tensors.push_back({DeviceArray(context, tensor.weight, off(0)), DeviceArray(context, tensor.gradient, off(1)),
                         DeviceArray(context, tensor.master, off(2)), std::move(state)});
    }
    groups_.push_back({std::move(tensors), DeviceArray(context, group.counters, false)});
  }
  std::vector<gatun_group> described = problem.describe();
  std::vector<std::vector<gatun_tensor>> tensors;
  for (size_t g = 0; g < described.size(); ++g) {
    tensors.emplace_back(described[g].tensors, described[g].tensors + described[g].count);
    for (size_t t = 0; t < tensors[g].size(); ++t) {
      const DeviceTensor& device = groups_[g].tensors[t];
      gatun_tensor& d = tensors[g][t];
      d.weight = device.weight.data();
      if (d.master != nullptr) d.master = device.master.data();
      if (d.gradient != nullptr) d.gradient = device.gradient.data();
      for (size_t s = 0; s < device.state.size(); ++s) d.state[s] = device.state[s].data();
    }
    described[g].tensors = tensors[g].data();
    described[g].counters = static_cast<int64_t*>(groups_[g].counters.data());
  }
  CHECK_OK(gatun_plan_create(context.get(), described.data(), int64_t(described.size()), &plan_));
}
CudaSession::~CudaSession() { CHECK_OK(gatun_plan_destroy(plan_)); }

void CudaSession::bind() {
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (size_t t = 0; t < groups_[g].tensors.size(); ++t) {
      const TensorData& tensor = problem_.groups[g].tensors[t];
      DeviceArray& gradient = groups_[g].tensors[t].gradient;
      gradient.upload(tensor.gradient);
      CHECK_OK(gatun_plan_gradient(plan_, int64_t(g), int64_t(t), tensor.idle ? nullptr : gradient.data(),
                                   problem_.groups[g].gradient_dtype()));
      if (!tensor.input) continue;
      gatun_input fed = tensor.fed;
      std::optional<DeviceArray>& input = groups_[g].tensors[t].input;
      const DeviceArray before = input ? std::move(*input) : DeviceArray(context_, *tensor.input, false);
      input.reset();
      input.emplace(context_, *tensor.input, misaligned_ && t % 3 == 1);  // elsewhere than before
      fed.address = input->data();
      CHECK_OK(gatun_plan_input(plan_, int64_t(g), int64_t(t), &fed));
    }
  }
}
gatun_status CudaSession::step(int64_t flags, double gradient_scale) {
  const std::vector<double> rates = problem_.learning_rates();
  const gatun_step_arguments arguments{rates.data(), gradient_scale, flags};
  return gatun_step(plan_, &arguments);
}
gatun_status CudaSession::phases(int64_t flags, double gradient_scale) {
  const std::vector<double> rates = problem_.learning_rates();
  const gatun_step_arguments arguments{rates.data(), gradient_scale, flags};
  gatun_status status = gatun_reduce(plan_, &arguments);
  if (status == GATUN_OK) status = gatun_finalize(plan_, &arguments);
  if (status == GATUN_OK) status = gatun_apply(plan_, &arguments);
  return status;
}
gatun_step_report CudaSession::report() {
  gatun_step_report report{};
  CHECK_OK(gatun_report(plan_, &report));
  return report;
}
void CudaSession::download() {
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (size_t t = 0; t < groups_[g].tensors.size(); ++t) {
      DeviceTensor& device = groups_[g].tensors[t];
      TensorData& tensor = problem_.groups[g].tensors[t];
      device.weight.download(tensor.weight);
      device.gradient.download(tensor.gradient);
      device.master.download(tensor.master);
      for (size_t s = 0; s < device.state.size(); ++s) device.state[s].download(tensor.state[s]);
    }
    groups_[g].counters.download(problem_.groups[g].counters);
  }
}

}  // namespace test
