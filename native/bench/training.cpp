#include "training.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "half_reference.h"

namespace bench {

namespace {
constexpr int64_t kPiece = int64_t(64) << 20;  // bytes that go between host and device at once
int64_t padded(int64_t bytes) { return (bytes + 255) / 256 * 256; }
int64_t element_bytes(int32_t dtype) { return dtype == GATUN_F64 ? 8 : dtype == GATUN_F32 ? 4 : 2; }
}  // namespace

void require(gatun_status status, const char* what) {
  if (status == GATUN_OK) return;
  std::fflush(stdout);
  std::fprintf(stderr, "%s: %s\n", what, gatun_last_error());
  std::exit(1);
}

Device::Device(int32_t backend, void* stream) {
  gatun_context_options options{};
  options.backend = backend;
  options.stream = stream;
  require(gatun_context_create(&options, &context_), "gatun_context_create");
}
Device::~Device() {
  if (context_ != nullptr) require(gatun_context_destroy(context_), "gatun_context_destroy");
}
std::string Device::name() const {
  gatun_device_info info{};
  require(gatun_context_info(context_, &info), "gatun_context_info");
  return info.name;
}
int64_t Device::memory_bytes() const {
  gatun_device_info info{};
  require(gatun_context_info(context_, &info), "gatun_context_info");
  return info.memory_bytes;
}
void Device::copy(void* to, const void* from, int64_t bytes) const {
  require(gatun_memory_copy(context_, to, from, bytes), "gatun_memory_copy");
}
void Device::synchronize() const { require(gatun_context_synchronize(context_), "gatun_context_synchronize"); }

Array::Array(const Device& device, int64_t bytes, bool pinned, bool optional)
    : device_(&device), bytes_(bytes), pinned_(pinned) {
  void* memory = nullptr;
  const gatun_status status = gatun_memory_allocate(device.get(), bytes, pinned, &memory);
  if (status != GATUN_OUT_OF_MEMORY || !optional) require(status, "gatun_memory_allocate");
  memory_ = static_cast<unsigned char*>(memory);
}
Array::~Array() {
  if (memory_ != nullptr) require(gatun_memory_free(device_->get(), memory_, pinned_), "gatun_memory_free");
}
Array::Array(Array&& other) noexcept
    : device_(other.device_), memory_(other.memory_), bytes_(other.bytes_), pinned_(other.pinned_) {
  other.memory_ = nullptr;
}

Places::Places(const List& list, int64_t size) : element(size) {
  for (const test::Shape& shape : list.shapes) {
    offsets.push_back(bytes);
    bytes += padded(shape.length * element);
  }
}

Placement::Placement(const List& of, int32_t type)
    : Places(of, element_bytes(type)), list(of), dtype(type), wide(of, type == GATUN_F64 ? 8 : 4) {}

Training::Training(const Device& device, const Placement& placement, const test::Spec& spec, const Array& weights,
                   const Array& gradients)
    : device_(device), spec_(spec) {
  const auto count = int64_t(placement.list.shapes.size());
  const auto allocate = [&](int64_t bytes) {
    state_.emplace_back(device, bytes, false, true);
    if (!state_.back()) why_not_ = gatun_last_error();
  };
  const size_t slots = spec.rule_slots(), scalars = spec.other_scalars, averages = spec.averages.size();
  for (size_t s = 0; s < slots + scalars + averages && why_not_.empty(); ++s)
    allocate(s >= slots && s < slots + scalars ? count * 8 : placement.wide.bytes);
  if (placement.halves() && why_not_.empty()) allocate(placement.wide.bytes);
  counters_ = std::make_unique<Array>(device, (count + 1) * 8);
  if (!why_not_.empty()) return;

  std::vector<gatun_tensor> tensors;
  for (int64_t t = 0; t < count; ++t) {
    const test::Shape& shape = placement.list.shapes[size_t(t)];
    const int64_t offset = placement.offsets[size_t(t)], wide = placement.wide.offsets[size_t(t)];
    gatun_tensor tensor{};
    tensor.weight = weights.data() + offset;
    tensor.gradient = gradients.data() + offset;
    for (size_t s = 0; s < slots + scalars + averages; ++s)
      tensor.state[s] = state_[s].data() + (s >= slots && s < slots + scalars ? 8 * t : wide);
    if (placement.halves()) tensor.master = state_.back().data() + wide;
    tensor.number = t;
    tensor.length = shape.length;
    tensor.rows = shape.rows;
    tensor.gradient_dtype = placement.dtype;
    tensor.flags = (shape.matrix ? GATUN_TENSOR_MATRIX | GATUN_TENSOR_DECAY : 0);
    tensors.push_back(tensor);
  }
  gatun_group group{};
  group.tensors = tensors.data();
  group.count = count;
  group.counters = reinterpret_cast<int64_t*>(counters_->data());
  group.arguments = spec_.arguments();
  std::copy(spec.transforms.begin(), spec.transforms.end(), group.transforms);
  std::copy(spec.averages.begin(), spec.averages.end(), group.averages);
  group.transform_count = int32_t(spec.transforms.size());
  group.average_count = int32_t(averages);
  group.rule = spec.rule;
  group.weight_dtype = placement.dtype;
  group.dtype = placement.halves() ? int32_t(GATUN_F32) : placement.dtype;
  group.rounding = placement.dtype == GATUN_BF16 ? GATUN_STOCHASTIC : GATUN_NEAREST;
  group.seed = 11;
  const gatun_status status = gatun_plan_create(device.get(), &group, 1, &plan_);
  if (status == GATUN_UNAVAILABLE || status == GATUN_OUT_OF_MEMORY)
    why_not_ = gatun_last_error();
  else
    require(status, "gatun_plan_create");
}
Training::~Training() {
  if (plan_ != nullptr) require(gatun_plan_destroy(plan_), "gatun_plan_destroy");
}
void Training::step(int64_t flags, double lr, double scale) {
  const gatun_step_arguments arguments{&lr, scale, flags};
  require(gatun_step(plan_, &arguments), "gatun_step");
}
void Training::values(int64_t flags, double lr, double scale) {
  const gatun_step_arguments arguments{&lr, scale, flags};
  require(gatun_plan_values(plan_, &arguments), "gatun_plan_values");
}
gatun_step_report Training::report() {
  gatun_step_report report{};
  require(gatun_report(plan_, &report), "gatun_report");
  return report;
}

void in_parallel(int64_t count, const std::function<void(int64_t, int64_t)>& work) {
  const int64_t threads = std::clamp<int64_t>(count / 65536, 1, std::max(1u, std::thread::hardware_concurrency()));
  std::vector<std::thread> running;
  for (int64_t t = 1; t < threads; ++t)
    running.emplace_back([&, t] { work(count / threads * t, t + 1 == threads ? count : count / threads * (t + 1)); });
  work(0, threads == 1 ? count : count / threads);
  for (std::thread& thread : running) thread.join();
}

void fill(void* to, int32_t dtype, uint64_t seed, double size, int64_t first, int64_t count) {
  in_parallel(count, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double value = size * 0.5 * test::random_number(seed, uint64_t(first + i));
      if (dtype == GATUN_F64)
        static_cast<double*>(to)[i] = value;
      else if (dtype == GATUN_F32)
        static_cast<float*>(to)[i] = float(value);
      else
        static_cast<uint16_t*>(to)[i] = test::half_nearest(dtype, value);
    }
  });
}

void fill(const Device& device, const Array& array, int32_t dtype, uint64_t seed, double size) {
  const int64_t element = element_bytes(dtype);
  const Array piece(device, std::min(kPiece, array.bytes()), true);
  for (int64_t at = 0; at < array.bytes(); at += kPiece) {
    const int64_t bytes = std::min(kPiece, array.bytes() - at);
    fill(piece.data(), dtype, seed, size, at / element, bytes / element);
    device.copy(array.data() + at, piece.data(), bytes);
    device.synchronize();
  }
}

int64_t first_difference(const Device& a, const unsigned char* of_a, const Device& b, const unsigned char* of_b,
                         int64_t bytes) {
  const Array from_a(a, std::min(kPiece, bytes), true), from_b(b, std::min(kPiece, bytes), true);
  for (int64_t at = 0; at < bytes; at += kPiece) {
    const int64_t size = std::min(kPiece, bytes - at);
    a.copy(from_a.data(), of_a + at, size);
    b.copy(from_b.data(), of_b + at, size);
    a.synchronize();
    b.synchronize();
    std::atomic<int64_t> first{-1};
    in_parallel(size, [&](int64_t begin, int64_t end) {
      if (std::memcmp(from_a.data() + begin, from_b.data() + begin, size_t(end - begin)) != 0) {
        int64_t i = begin;
        while (from_a.data()[i] == from_b.data()[i]) ++i;
        int64_t known = first;
        while ((known < 0 || i < known) && !first.compare_exchange_weak(known, i)) {
        }
      }
    });
    if (first >= 0) return at + first;
  }
  return -1;
}

}  // namespace bench
