#include "cuda/description.h"

#include <algorithm>
#include <cstring>

#include "rules/half.h"
#include "rules/rules.h"

namespace gatun {

Description::Description(const gatun_group* descriptions, int64_t count) {
  for (int64_t g = 0; g < count; ++g) add_group(descriptions[g]);
  first_chunk.push_back(int64_t(tensor_of_chunk.size()));
}

void Description::add_group(const gatun_group& from) {
  GroupEntry group{};
  visit_rule(from.rule, [&](auto r) {
    using R = decltype(r);
    using Arguments = typename R::Arguments;
    std::memcpy(group.arguments, from.arguments, sizeof(Arguments));
    const auto& arguments = *static_cast<const Arguments*>(from.arguments);
    const int variant = R::variant(arguments);
    group.slots = R::slots(variant);
    group.average_slot = group.slots + R::scalars(variant);
    group.rule_sums = R::sums(variant);
    group.pools = R::pools(arguments);
    group.rows = R::kRows;
  });
  std::memcpy(group.transforms, from.transforms, sizeof group.transforms);
  std::memcpy(group.averages, from.averages, sizeof group.averages);
  group.steps = from.counters + from.count;
  group.first_tensor = int64_t(tensors.size());
  group.transform_count = from.transform_count, group.average_count = from.average_count;
  group.rule = from.rule, group.dtype = from.dtype;
  group.weight_dtype = from.weight_dtype, group.rounding = from.rounding, group.seed = from.seed;
  for (int k = 0; k < from.average_count; ++k) group.moves_idle |= from.averages[k].skip_idle == 0;
  group.sums = from.transform_count > 0;
  bool centers = false;
  int32_t clips_here = 0;
  for (int k = 0; k < from.transform_count; ++k) {
    centers |= from.transforms[k].kind == GATUN_STANDARDIZE && from.transforms[k].center != 0;
    clips_here += from.transforms[k].kind == GATUN_CLIP;
  }
  clips = std::max(clips, clips_here);
  transforms |= group.sums != 0;
  plain |= group.rule_sums == 0;
  if (group.pools != 0) pooling |= int64_t{1} << group.rule;
  groups.push_back(group);
  first_chunk.push_back(int64_t(tensor_of_chunk.size()));
  for (int64_t i = 0; i < from.count; ++i) {
    add_tensor(from.tensors[i], from, centers);
    tensors.back().steps = from.counters + i;
  }
}

void Description::add_tensor(const gatun_tensor& from, const gatun_group& in, bool centers) {
  const GroupEntry& group = groups.back();
  TensorEntry t{};
  const bool half = is_half(in.weight_dtype);
  t.weight = half ? from.master : from.weight;
  t.half = half ? static_cast<uint16_t*>(from.weight) : nullptr;
  t.number = from.number;
  std::memcpy(t.state, from.state, sizeof t.state);
  uintptr_t addresses = reinterpret_cast<uintptr_t>(t.weight);
  for (int s = 0; s < group.average_slot + group.average_count; ++s)  // scalars are read one by one
    if (s < group.slots || s >= group.average_slot) addresses |= reinterpret_cast<uintptr_t>(from.state[s]);
  t.aligned = addresses % 16 == 0 && reinterpret_cast<uintptr_t>(t.half) % 8 == 0;
  t.decay = (from.flags & GATUN_TENSOR_DECAY) != 0;
  const bool matrix = (from.flags & GATUN_TENSOR_MATRIX) != 0 && from.length > 0;
  t.centered = centers && matrix;
  t.sums_rows = group.rows != 0 && matrix;
  t.geometry = Geometry::of(from.length, t.centered || t.sums_rows ? from.length / from.rows : from.length);
  t.first_chunk = int64_t(tensor_of_chunk.size());
  t.group = int32_t(groups.size()) - 1;
  if (t.centered != 0) {
    t.means = reinterpret_cast<void*>(means_bytes);
    means_bytes += 2 * from.rows * (in.dtype == GATUN_F64 ? 8 : 4);
    means_bytes = (means_bytes + 15) / 16 * 16;
  }
  t.powered = add_powered(from, in);
  const auto take = [&](int64_t bytes) {
    const int64_t offset = row_bytes;
    row_bytes += (bytes + 15) / 16 * 16;
    return static_cast<uintptr_t>(offset);
  };
  const int64_t rows = t.geometry.rows();
  if (t.sums_rows != 0)
    t.row_sums = reinterpret_cast<double*>(take(rows * t.geometry.chunks_per_row * kMaxSums * int64_t(sizeof(double))));
  if (group.rows != 0) t.drop = reinterpret_cast<void*>(take(rows * (in.dtype == GATUN_F64 ? 8 : 4)));
  tensor_of_chunk.insert(tensor_of_chunk.end(), size_t(t.geometry.chunks), int32_t(tensors.size()));
  tensors.push_back(t);
  gradients.push_back({from.gradient, from.gradient_dtype, 0});
}

// Returns the tensor's number among those whose layers have inputs, or -1.
int32_t Description::add_powered(const gatun_tensor& from, const gatun_group& in) {
  bool inputs = false, absolute = false;
  visit_rule(in.rule, [&](auto r) {
    using R = decltype(r);
    inputs = R::kInputs;
    absolute = R::absolute(*static_cast<const typename R::Arguments*>(in.arguments));
  });
  if (!inputs || from.powers == 0) return -1;
  PoweredEntry p{};
  p.tensor = int32_t(tensors.size());
  p.absolute = absolute;
  p.powers = from.powers;
  p.means = reinterpret_cast<double*>(sizeof(double) * size_t(powers));
  powers += from.powers;
  if (from.powers > 1 && from.length > 0) {
    p.row_length = from.length / from.rows;
    p.rows_per_group = from.rows / from.input_groups;
    p.factor_count = from.input_groups * p.row_length;
    p.repeat = p.factor_count / from.powers;
    p.factors = reinterpret_cast<void*>(factor_bytes);
    factor_bytes += p.factor_count * (in.dtype == GATUN_F64 ? 8 : 4);
    factor_bytes = (factor_bytes + 15) / 16 * 16;
  }
  powered.push_back(p);
  return int32_t(powered.size()) - 1;
}

}  // namespace gatun
