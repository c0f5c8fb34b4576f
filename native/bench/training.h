// training.h - the memory of one optimizer on a large list, on the CPU or on a GPU, and its plan. Arrays of a kind lie
// in one allocation, every tensor at a border of 256 bytes, at the same offset on every device.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lists.h"

namespace bench {

// A context of the ABI. Calls that fail say why and end the program with status 1: a benchmark has no second way.
class Device {
 public:
  static Device cpu() { return Device(GATUN_CPU, nullptr); }
  static Device cuda(void* stream) { return Device(GATUN_CUDA, stream); }
  ~Device();
  Device(Device&& other) noexcept : context_(other.context_) { other.context_ = nullptr; }
  Device(const Device&) = delete;
  gatun_context* get() const { return context_; }
  std::string name() const;
  int64_t memory_bytes() const;
  void copy(void* to, const void* from, int64_t bytes) const;
  void synchronize() const;

 private:
  Device(int32_t backend, void* stream);
  gatun_context* context_ = nullptr;
};

void require(gatun_status status, const char* what);

// Memory of a device, or pinned memory of the host. Null where there was not that much, if that is `optional`.
class Array {
 public:
  Array(const Device& device, int64_t bytes, bool pinned = false, bool optional = false);
  ~Array();
  Array(Array&& other) noexcept;
  Array(const Array&) = delete;
  explicit operator bool() const { return memory_ != nullptr; }
  unsigned char* data() const { return memory_; }
  int64_t bytes() const { return bytes_; }

 private:
  const Device* device_;
  unsigned char* memory_ = nullptr;
  int64_t bytes_;
  bool pinned_;
};

// Where a list's tensors lie in an array.
struct Places {
  Places(const List& list, int64_t element);
  const int64_t element;         // bytes
  std::vector<int64_t> offsets;  // in bytes, of each tensor
  int64_t bytes = 0;
};

// Where they lie among weights and gradients, and where among state and masters, which stay F32 beside BF16 and F16.
struct Placement : Places {
  Placement(const List& list, int32_t dtype);
  bool halves() const { return element == 2; }
  const List list;
  const int32_t dtype;
  const Places wide;
};

class Training {
 public:
  // Weights and gradients are the caller's. state: the rule's, the averages', the masters; counters: what the steps
  // count. BF16 is rounded stochastically, F16 to nearest.
  Training(const Device& device, const Placement& placement, const test::Spec& spec, const Array& weights,
           const Array& gradients);
  ~Training();
  Training(const Training&) = delete;
  // Null if it could be made; else why not (a rule that a backend does not have, too little memory).
  const std::string& why_not() const { return why_not_; }
  void step(int64_t flags = 0) { step(flags, spec_.lr, 1); }
  void step(int64_t flags, double lr, double scale);
  void values(int64_t flags, double lr, double scale);  // of the replays that follow
  gatun_step_report report();
  const std::vector<Array>& state() const { return state_; }
  const Array& counters() const { return *counters_; }

 private:
  const Device& device_;
  const test::Spec spec_;
  std::vector<Array> state_;
  std::unique_ptr<Array> counters_;
  gatun_plan* plan_ = nullptr;
  std::string why_not_;
};

// Runs work(begin, end) on parts of [0, count) in as many threads as there are CPUs.
void in_parallel(int64_t count, const std::function<void(int64_t, int64_t)>& work);

// Numbers between -size and size that depend on the seed and the index, from `first` on.
void fill(void* to, int32_t dtype, uint64_t seed, double size, int64_t first, int64_t count);

// Fills an array of a device as `fill` does, through the host's memory.
void fill(const Device& device, const Array& array, int32_t dtype, uint64_t seed, double size);

// The first byte where two arrays of two devices differ, -1 if none: compared piece by piece.
int64_t first_difference(const Device& a, const unsigned char* of_a, const Device& b, const unsigned char* of_b,
                         int64_t bytes);

}  // namespace bench
