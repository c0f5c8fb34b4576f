// description.h - an optimizer's tables on the host, on their way to the
// device.
#pragma once
#include <vector>

#include "cuda/tables.h"

namespace gatun {

struct Description {
  std::vector<TensorEntry> tensors;  // addresses of what rows have count from 0
  std::vector<GroupEntry> groups;
  std::vector<PoweredEntry> powered;  // addresses count from 0
  std::vector<int32_t> tensor_of_chunk;
  std::vector<GradientEntry> gradients;
  std::vector<int64_t> first_chunk;  // of each group, then the end of all
  int64_t means_bytes = 0;
  int64_t powers = 0, factor_bytes = 0;    // of all tensors whose layers have inputs
  int64_t row_bytes = 0;                   // of the sums and factors of rows
  int32_t clips = 0;                       // the most that any group has
  int64_t pooling = 0;                     // as in Tables
  bool transforms = false, plain = false;  // are there groups with transformations? whose rule needs no sums?

  Description(const gatun_group* descriptions, int64_t count);

 private:
  void add_group(const gatun_group& from);
  void add_tensor(const gatun_tensor& from, const gatun_group& in, bool centers);
  int32_t add_powered(const gatun_tensor& from, const gatun_group& in);
};

}  // namespace gatun
