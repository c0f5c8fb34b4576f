// inputs.h - the inputs that are bound to a plan, on the host, and the device memory for the parts of their powers.
#pragma once
#include <vector>

#include "cuda/runtime.h"
#include "cuda/tables.h"

namespace gatun {

class Inputs {
 public:
  // As the device has them; one more at the end, which begins where all parts end.
  std::vector<InputEntry> entries{1};
  bool stale = false;  // does the device not know them yet?

  int64_t parts() const { return entries.back().first_part; }
  int64_t bytes() const { return int64_t(entries.size() * sizeof(InputEntry)); }

  // Null: none. After a failure the input is what it was. Memory that has become too small is kept until the end: a
  // captured graph may use it until it is given new values.
  int32_t bind(int64_t powered, const gatun_input* input) {
    InputEntry entry{};
    if (input != nullptr) {
      entry.address = input->address, entry.bound = 1, entry.power = input->power != 0;
      entry.samples = input->samples, entry.dtype = input->dtype;
      if (entry.power == 0) entry.geometry = PowerGeometry::of(input->samples, input->channels, input->area);
      entry.area = input->area;
    }
    InputEntry& bound = entries[size_t(powered)];
    if (entry.address == bound.address && entry.bound == bound.bound && entry.power == bound.power &&
        entry.samples == bound.samples && entry.area == bound.area && entry.dtype == bound.dtype)
      return 0;
    const int64_t needed = parts() - bound.geometry.count() + entry.geometry.count();
    if (needed > capacity_) {
      const int64_t capacity = needed < 2 * capacity_ ? 2 * capacity_ : needed;
      void* memory = nullptr;
      const int32_t error = checked([&] { return cudaMalloc(&memory, size_t(capacity) * sizeof(double)); });
      if (error != 0) return error;
      memory_[used_++] = memory;
      capacity_ = capacity;
    }
    bound = entry;
    int64_t first = 0;
    for (InputEntry& e : entries) {
      e.first_part = first;
      e.parts = used_ == 0 ? nullptr : static_cast<double*>(memory_[used_ - 1]) + first;
      first += e.geometry.count();
    }
    stale = true;
    return 0;
  }

  template <class End>
  void release(End end) {
    while (used_ > 0) {
      void* const memory = memory_[--used_];
      end([&] { return cudaFree(memory); });
    }
  }

 private:
  void* memory_[64];  // each at least twice the one before; the last is in use
  int used_ = 0;
  int64_t capacity_ = 0;
};

}  // namespace gatun
