// apply.cpp - the elementwise pass over weights and state.
#include <cstring>
#include <utility>

#include "cpu/plan.h"

namespace gatun {

namespace {

// Where more than the rule touches the weights, the stages follow each other block by block, in L1: 1,024 doubles of
// weight, gradient and three states are 40 KB, as floats 20.
constexpr int64_t kBlock = 1024;

}  // namespace

// Has this average something to do for this tensor at this step: to begin as the weights, or to follow them?
bool CpuPlan::averages_now(const Group& group, const Tensor& t, const gatun_average& average) const {
  if (average.skip_idle && t.gradient == nullptr) return false;
  const int64_t step = group.description.counters[group.description.count];
  return average.kind != GATUN_LOOKAHEAD || step % average.k == 0 || (average.skip_idle ? t.first : step == 1);
}

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
      const int64_t bytes = element_bytes(t.gradient_dtype);
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
  bool staged = (flags & GATUN_ZERO_GRADIENTS) != 0 || group.half || is_half(t.gradient_dtype), averages = false;
  for (int a = 0; a < group.description.average_count; ++a)
    averages |= averages_now(group, t, group.description.averages[a]);
  if (t.gradient == nullptr && !averages) return;
  staged |= averages;
  const int64_t begin = t.geometry.chunk(span.begin).begin;
  const ChunkRange last = t.geometry.chunk(span.end - 1);
  const int64_t end = last.begin + last.length, step = staged ? kBlock : end - begin;
  for (int64_t i = begin; i < end; i += step) apply_block(group, t, i, step < end - i ? step : end - i, flags);
}

void CpuPlan::apply_block(const Group& group, const Tensor& t, int64_t begin, int64_t n, int64_t flags) {
  const gatun_group& d = group.description;
  const int64_t bytes = element_bytes(d.dtype), gradient_bytes = element_bytes(t.gradient_dtype);
  const auto place = [&](void* base, int64_t each) {
    return static_cast<void*>(static_cast<unsigned char*>(base) + begin * each);
  };
  const auto at = [&](void* base) { return place(base, bytes); };
  const size_t size = size_t(n);
  void* weight = at(group.half ? t.master : t.weight);
  const int64_t group_step = d.counters[d.count];
  bool moved = t.gradient != nullptr;

  if (t.begins) group.kernels->widen(d.weight_dtype, place(t.weight, element_bytes(d.weight_dtype)), weight, size);

  // Slow weights and averages begin as the weights before the first step.
  for (int a = 0; a < d.average_count; ++a) {
    const bool begins = d.averages[a].skip_idle ? t.gradient != nullptr && t.first : group_step == 1;
    if (begins) std::memcpy(at(t.state[group.averages + a]), weight, size_t(n * bytes));
  }

  if (t.gradient != nullptr) {
    alignas(64) float room[kBlock];
    const void* gradient = gradient_chunk(group, t, begin, n, room);
    void* state[GATUN_MAX_STATE];
    for (int s = 0; s < group.slots; ++s) state[s] = at(t.state[s]);
    if (group.update.swaps(*t.steps)) std::swap(state[0], state[1]);
    if (group.rows)
      group.update.rows(t.coefficients, weight, gradient, state, size, affine_of(group, t, begin),
                        t.drop + begin / t.geometry.row_length * bytes);
    else if (const Powered* p = fed(t); p != nullptr && !p->factors.empty())
      group.update.factored(t.coefficients, weight, gradient, state, size, affine_of(group, t, begin),
                            {p->factors.data(), p->row_length, p->rows_per_group, begin});
    else if (t.state_of_gradient.centered || t.state_of_gradient.scale != 1)
      group.update.affine(t.coefficients, weight, gradient, state, size, affine_of(group, t, begin));
    else
      group.update.plain(t.coefficients, weight, gradient, state, size);
    if (flags & GATUN_ZERO_GRADIENTS) std::memset(place(t.gradient, gradient_bytes), 0, size_t(n * gradient_bytes));
  }

  for (int a = 0; a < d.average_count; ++a) {
    const gatun_average& average = d.averages[a];
    if (!averages_now(group, t, average)) continue;
    void* other = at(t.state[group.averages + a]);
    if (average.kind != GATUN_LOOKAHEAD)
      group.kernels->ema(weight, other, group.parts[a], size);
    else if (group_step % average.k == 0) {
      group.kernels->lookahead(weight, other, group.parts[a], size);
      moved = true;
    }
  }

  // The counter of the key is the group's: an average may move a tensor at a step that it does not take itself, and
  // every rounding is to have draws of its own.
  if (group.half && moved) {
    const Draws draws{d.seed, t.number, group_step, begin};
    group.kernels->narrow(d.weight_dtype, weight, place(t.weight, element_bytes(d.weight_dtype)), size,
                          d.rounding == GATUN_STOCHASTIC ? &draws : nullptr);
  }
}

}  // namespace gatun
