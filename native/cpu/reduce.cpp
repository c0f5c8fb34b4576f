// reduce.cpp - the read-only pass: moments of the gradients, and the sums that rules need over their tensors.
#include "cpu/plan.h"

namespace gatun {

bool CpuPlan::sums_wanted(const gatun_step_arguments& arguments) const {
  if (arguments.flags & GATUN_CHECK_FINITE) return true;
  for (const Group& g : groups_)
    if (g.sums) return true;
  return false;
}

// Coefficients by (steps taken, decay), worked out once for the tensors that share them.
const void* CpuPlan::cached(Group& group, Compute compute, int64_t t, bool decay, double lr) {
  // The newest first: tensors of a kind stand together. A handful is looked through, then a double is made: never slow.
  const size_t size = group.cached.size();
  for (size_t back = 1; back <= size && back <= 8; ++back) {
    const Group::Cached& c = group.cached[size - back];
    if (c.t == t && c.decay == decay) return c.bytes;
  }
  group.cached.emplace_back();  // reserved: one for each tensor at most
  Group::Cached& c = group.cached.back();
  c.t = t, c.decay = decay;
  (group.kernels->*compute)(group.description.rule, group.description.arguments, {t, lr, decay, nullptr, nullptr, 0},
                            c.bytes);
  return c.bytes;
}

// What is known before anything is summed.
void CpuPlan::begin(const gatun_step_arguments& arguments) {
  if (stale_) share_out();
  const IeeeArithmetic ieee;
  for (size_t g = 0; g < groups_.size(); ++g) {
    Group& group = groups_[g];
    group.cached.clear();
    for (int64_t i = 0; i < group.description.count; ++i) {
      Tensor& t = tensors_[size_t(group.first_tensor + i)];
      t.state_of_gradient.scale = arguments.gradient_scale;
      t.state_of_gradient.centered = false;
      t.begins = group.half && (group.moves_idle ? group.description.counters[group.description.count] : *t.steps) == 0;
      if (t.gradient != nullptr && group.rule_sums > 0)
        t.before = cached(group, &Kernels::before, *t.steps + 1, t.decay, arguments.lr[g]);
    }
  }
}

void CpuPlan::reduce(const gatun_step_arguments& arguments) {
  begin(arguments);
  reduce_powers();
  summed_ = sums_wanted(arguments);
  bool rules = false;
  for (const Group& g : groups_) rules |= g.rule_sums > 0 && !g.sums;
  if (!summed_ && !rules) return;
  const bool all = (arguments.flags & GATUN_CHECK_FINITE) != 0;
  context.pool->run(threads_used_, [&](int thread) {
    for (const Span& span : spans_[size_t(thread)]) {
      const Tensor& t = tensors_[size_t(span.tensor)];
      const Group& group = groups_[size_t(t.group)];
      if (t.gradient == nullptr) continue;
      if (all || group.sums) reduce_span(span);
      // Of transformed gradients only once the transformation is known, in finalize.
      if (group.rule_sums > 0 && !group.sums) rule_sums_span(span);
    }
  });
}

// n elements of a gradient in the type of the arithmetic: in their place, or converted into `room`.
const void* CpuPlan::gradient_chunk(const Group& group, const Tensor& t, int64_t begin, int64_t n, float* room) const {
  const auto* from = static_cast<const unsigned char*>(t.gradient) + begin * element_bytes(t.gradient_dtype);
  if (t.gradient_dtype == group.description.dtype) return from;
  group.kernels->widen(t.gradient_dtype, from, room, size_t(n));
  return room;
}

// The same of its weights: the masters, once they have begun.
const void* CpuPlan::weight_chunk(const Group& group, const Tensor& t, int64_t begin, int64_t n, float* room) const {
  const gatun_group& d = group.description;
  if (group.half && !t.begins) return static_cast<const float*>(t.master) + begin;
  const auto* from = static_cast<const unsigned char*>(t.weight) + begin * element_bytes(d.weight_dtype);
  if (!group.half) return from;
  group.kernels->widen(d.weight_dtype, from, room, size_t(n));
  return room;
}

void CpuPlan::reduce_span(const Span& span) {
  const Tensor& t = tensors_[size_t(span.tensor)];
  const Group& group = groups_[size_t(t.group)];
  const int64_t bytes = element_bytes(group.description.dtype);
  alignas(64) float room[kChunk];
  for (int64_t c = span.begin; c < span.end; ++c) {
    const ChunkRange range = t.geometry.chunk(c);
    Partial* partial = &partials_[size_t(t.first_partial + c)];
    const void* g = gradient_chunk(group, t, range.begin, range.length, room);
    if (!t.centered) {
      group.kernels->squares(g, range.length, partial);
    } else if (t.geometry.cuts_rows()) {
      group.kernels->row_part(g, range.length, partial);
    } else {
      const int64_t row = range.begin / t.geometry.row_length;
      group.kernels->rows(g, range.length / t.geometry.row_length, t.geometry.row_length, t.hi + row * bytes,
                          t.lo + row * bytes, partial);
    }
  }
}

// How the gradient is transformed from an element on, by the state that its transformations have come to.
Affine CpuPlan::affine_of(const Group& group, const Tensor& t, int64_t begin) const {
  const GradientState& g = t.state_of_gradient;
  const int64_t bytes = element_bytes(group.description.dtype), row_length = t.geometry.row_length,
                row = begin / row_length;
  if (!g.centered) return {g.scale, nullptr, nullptr, begin - row * row_length, row_length};
  return {g.scale, t.hi + row * bytes, t.lo + row * bytes, begin - row * row_length, row_length};
}

void CpuPlan::rule_sums_span(const Span& span) {
  const Tensor& t = tensors_[size_t(span.tensor)];
  const Group& group = groups_[size_t(t.group)];
  if (group.rows && !t.row_sums) return;  // nothing is asked of the sums of a vector
  for (int64_t c = span.begin; c < span.end; ++c) {
    const ChunkRange range = t.geometry.chunk(c);
    if (!t.row_sums || t.geometry.cuts_rows()) {
      rule_sums_piece(group, t, range, &rule_partials_[size_t(t.first_rule_partial + c) * kMaxSums]);
      continue;
    }
    const int64_t row_length = t.geometry.row_length;
    for (int64_t row = range.begin / row_length; row * row_length < range.begin + range.length; ++row)
      rule_sums_piece(group, t, {row * row_length, row_length},
                      &rule_partials_[size_t(t.first_rule_partial + row) * kMaxSums]);
  }
}

void CpuPlan::rule_sums_piece(const Group& group, const Tensor& t, ChunkRange range, double* sums) {
  const int64_t bytes = element_bytes(group.description.dtype);
  const bool transformed = t.state_of_gradient.scale != 1 || t.state_of_gradient.centered;
  const auto at = [&](void* base) { return static_cast<unsigned char*>(base) + range.begin * bytes; };
  void* state[GATUN_MAX_STATE];
  for (int s = 0; s < group.slots; ++s) state[s] = at(t.state[s]);
  const Affine affine = affine_of(group, t, range.begin);
  alignas(64) float weights[kChunk], gradients[kChunk];
  // A stream less to read for every rule whose weight decay is not in the gradient. 0 times a finite weight is what the
  // sums would have had of it.
  static constexpr double kNoWeights[kChunk] = {};
  const void* weight =
      group.update.weighs(t.before) ? weight_chunk(group, t, range.begin, range.length, weights) : kNoWeights;
  group.update.sums(t.before, weight, gradient_chunk(group, t, range.begin, range.length, gradients), state,
                    size_t(range.length), transformed ? &affine : nullptr, sums);
}

}  // namespace gatun
