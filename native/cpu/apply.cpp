// apply.cpp - the elementwise pass over weights and state.
#include <cstring>

#include "cpu/plan.h"

namespace gatun {

namespace {

// Where a step has several elementwise stages they follow each other block by block, in L1: 1,024 doubles of weight,
// gradient, two states and the transformed gradient are 40 KB, as floats 20.
constexpr int64_t kBlock = 1024;

}  // namespace

void CpuPlan::apply(const gatun_step_arguments& arguments) {
  const bool skipped = report_.skipped != 0;
  const bool zero = (arguments.flags & GATUN_ZERO_GRADIENTS) != 0;
  if (skipped && !zero) return;
  context.pool->run(threads_used_, [&](int thread) {
    for (const Span& span : spans_[size_t(thread)]) {
      if (!skipped) {
        apply_span(span, arguments.flags);
        continue;
      }
      const Tensor& t = tensors_[size_t(span.tensor)];
      if (t.gradient == nullptr) continue;
      const int64_t bytes = element_bytes(groups_[size_t(t.group)].description.dtype);
      const int64_t begin = t.geometry.chunk(span.begin).begin;
      const ChunkRange last = t.geometry.chunk(span.end - 1);
      std::memset(static_cast<unsigned char*>(t.gradient) + begin * bytes, 0,
                  size_t((last.begin + last.length - begin) * bytes));
    }
  });
}

void CpuPlan::apply_span(const Span& span, int64_t flags) {
  const Tensor& t = tensors_[size_t(span.tensor)];
  const Group& group = groups_[size_t(t.group)];
  const int64_t begin = t.geometry.chunk(span.begin).begin;
  const ChunkRange last = t.geometry.chunk(span.end - 1);
  const int64_t end = last.begin + last.length;
  const bool staged = t.state_of_gradient.scale != 1 || t.state_of_gradient.centered ||
                      group.description.average_count > 0 || (flags & GATUN_ZERO_GRADIENTS) != 0;
  const int64_t step = t.gradient == nullptr || staged ? kBlock : end - begin;
  for (int64_t i = begin; i < end; i += step) apply_block(group, t, i, step < end - i ? step : end - i, flags);
}

void CpuPlan::apply_block(const Group& group, const Tensor& t, int64_t begin, int64_t n, int64_t flags) {
  const gatun_group& d = group.description;
  const Kernels& k = *group.kernels;
  const int64_t bytes = element_bytes(d.dtype), offset = begin * bytes;
  const auto at = [&](void* base) { return static_cast<void*>(static_cast<unsigned char*>(base) + offset); };
  const size_t size = size_t(n);
  void* weight = at(t.weight);
  const int64_t group_step = d.counters[d.count];

  // The slow weights and the averages begin as the weights before the first step.
  for (int a = 0; a < d.average_count; ++a) {
    const bool start = d.averages[a].skip_idle ? t.gradient != nullptr && t.first : group_step == 1;
    if (start) std::memcpy(at(t.state[group.slots + a]), weight, size_t(n * bytes));
  }

  if (t.gradient != nullptr) {
    alignas(64) unsigned char transformed[kBlock * sizeof(double)];
    const void* h = at(t.gradient);
    const GradientState& g = t.state_of_gradient;
    if (g.centered) {
      const int64_t row = begin / t.geometry.row_length;
      k.standardize(h, transformed, g.scale, t.hi + row * bytes, t.lo + row * bytes,
                    begin - row * t.geometry.row_length, t.geometry.row_length, size);
      h = transformed;
    } else if (g.scale != 1) {
      k.scale(h, transformed, g.scale, size);
      h = transformed;
    }
    void* state[GATUN_MAX_STATE];
    for (int s = 0; s < group.slots; ++s) state[s] = at(t.state[s]);
    group.update(t.coefficients, weight, h, state, size);
    if (flags & GATUN_ZERO_GRADIENTS) std::memset(at(t.gradient), 0, size_t(n * bytes));
  }

  for (int a = 0; a < d.average_count; ++a) {
    const gatun_average& average = d.averages[a];
    if (average.skip_idle && t.gradient == nullptr) continue;
    void* other = at(t.state[group.slots + a]);
    if (average.kind == GATUN_EMA)
      k.ema(weight, other, 1 - average.value, size);
    else if (group_step % average.k == 0)
      k.lookahead(weight, other, average.value, size);
  }
}

}  // namespace gatun
