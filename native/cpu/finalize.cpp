// finalize.cpp - the scalars of a step, from the sums: is it refused, and with which factors is it applied?
#include <cmath>

#include "core/error.h"
#include "cpu/plan.h"

namespace gatun {

// Chunks become a tensor's sums. Rows that were cut get their means only here.
void CpuPlan::merge(Tensor& t) {
  const Partial* partial = partials_.data() + t.first_partial;
  const Geometry& geometry = t.geometry;
  LaneSum squares, m2;
  if (!t.centered) {
    for (int64_t c = 0; c < geometry.chunks; ++c) squares.add(c, partial[c].squares);
    t.state_of_gradient.squares = t.state_of_gradient.m2 = squares.total();
    return;
  }
  if (!geometry.cuts_rows()) {
    for (int64_t c = 0; c < geometry.chunks; ++c) {
      squares.add(c, partial[c].squares);
      m2.add(c, partial[c].m2);
    }
  } else {
    const Group& group = groups_[size_t(t.group)];
    const int64_t bytes = element_bytes(group.description.dtype);
    for (int64_t c = 0, row = 0; c < geometry.chunks; ++row) {
      Moments moments{double(geometry.chunk(c).length), partial[c].mean, partial[c].m2};
      for (const int64_t end = ++c + geometry.chunks_per_row - 1; c < end; ++c)
        moments.merge({double(geometry.chunk(c).length), partial[c].mean, partial[c].m2});
      group.kernels->split_mean(moments.mean, t.hi + row * bytes, t.lo + row * bytes);
      squares.add(row, moments.squares());
      m2.add(row, moments.m2);
    }
  }
  t.state_of_gradient.squares = squares.total();
  t.state_of_gradient.m2 = m2.total();
}

// Refuses the step if a sum is not finite; every NaN and infinity in a gradient ends up in one of them.
bool CpuPlan::find_offender(const gatun_step_arguments& arguments) {
  if (!(arguments.flags & GATUN_CHECK_FINITE)) return false;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const Tensor& t = tensors_[i];
    if (t.gradient == nullptr) continue;
    const double sum = t.state_of_gradient.squares + t.state_of_gradient.m2;
    if (std::isfinite(sum)) continue;
    report_.skipped = 1;
    report_.skipped_group = t.group;
    report_.skipped_tensor = int64_t(i) - groups_[size_t(t.group)].first_tensor;
    return true;
  }
  return false;
}

// A tensor's transformations up to the next clip, which needs all tensors' norms.
void CpuPlan::standardize(const gatun_group& d, int32_t from, Tensor& t) {
  for (; from < d.transform_count && d.transforms[from].kind == GATUN_STANDARDIZE; ++from) {
    const gatun_transform& s = d.transforms[from];
    t.state_of_gradient.standardize(s.center && t.centered, s.normalize, s.value);
  }
}

// All groups' transformations. A clip's norm is over every tensor of every group that clips; where clips are nested,
// the n-th clip of one group, counted from the outermost, goes with the n-th of the others.
void CpuPlan::transform() {
  for (Group& g : groups_) g.transformed = 0;
  auto for_tensors = [&](const Group& g, auto body) {
    for (int64_t i = g.first_tensor, end = i + g.description.count; i < end; ++i)
      if (tensors_[size_t(i)].gradient != nullptr) body(tensors_[size_t(i)], i);
  };
  for (bool clipped = true; clipped;) {
    clipped = false;
    LaneSum squares;
    for (Group& g : groups_) {
      const gatun_group& d = g.description;
      const int32_t from = g.transformed;
      while (g.transformed < d.transform_count && d.transforms[g.transformed].kind == GATUN_STANDARDIZE)
        ++g.transformed;
      for_tensors(g, [&](Tensor& t, int64_t) { standardize(d, from, t); });
      if (g.transformed == d.transform_count) continue;
      clipped = true;
      for_tensors(g, [&](Tensor& t, int64_t i) { squares.add(i, t.state_of_gradient.norm_squared()); });
    }
    const double norm = sqrt_(squares.total());
    for (Group& g : groups_) {
      const gatun_group& d = g.description;
      if (g.transformed == d.transform_count) continue;
      const double factor = clip_factor(norm, d.transforms[g.transformed++].value);
      for_tensors(g, [&](Tensor& t, int64_t) { t.state_of_gradient.scale = t.state_of_gradient.scale * factor; });
    }
  }
}

const void* CpuPlan::coefficients(Group& group, int64_t t, bool decay, double lr) {
  // The newest first: tensors of a kind stand together. A handful is looked through, then a double is made: never slow.
  const size_t size = group.cached.size();
  for (size_t back = 1; back <= size && back <= 8; ++back) {
    const Group::Cached& c = group.cached[size - back];
    if (c.t == t && c.decay == decay) return c.bytes;
  }
  group.cached.emplace_back();  // reserved: one for each tensor at most
  Group::Cached& c = group.cached.back();
  c.t = t, c.decay = decay;
  group.kernels->finalize(group.description.rule, group.description.arguments, t, lr, decay, c.bytes);
  return c.bytes;
}

void CpuPlan::report_norm(const gatun_step_arguments& arguments) {
  LaneSum squares;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const Tensor& t = tensors_[i];
    if (t.gradient == nullptr) continue;
    if (!(arguments.flags & GATUN_CHECK_FINITE) && !groups_[size_t(t.group)].sums) return;
    squares.add(int64_t(i), t.state_of_gradient.squares);
  }
  report_.gradient_norm = sqrt_(squares.total()) * std::fabs(arguments.gradient_scale);
}

// The step takes place: counters go on, and every tensor gets its coefficients.
void CpuPlan::advance(const gatun_step_arguments& arguments) {
  for (size_t g = 0; g < groups_.size(); ++g) {
    Group& group = groups_[g];
    group.cached.clear();
    for (int64_t i = 0; i < group.description.count; ++i) {
      Tensor& t = tensors_[size_t(group.first_tensor + i)];
      if (t.gradient == nullptr) continue;
      const int64_t step = ++*t.steps;
      t.first = step == 1;
      t.coefficients = coefficients(group, step, t.decay, arguments.lr[g]);
    }
    ++group.description.counters[group.description.count];
  }
}

void CpuPlan::finalize(const gatun_step_arguments& arguments) {
  check_step(arguments, int64_t(groups_.size()));
  const IeeeArithmetic ieee;
  report_ = {NAN, 0, -1, -1};
  for (Tensor& t : tensors_) {
    if (t.gradient == nullptr) continue;
    t.state_of_gradient.scale = arguments.gradient_scale;
    t.state_of_gradient.centered = false;
    if (summed_ && ((arguments.flags & GATUN_CHECK_FINITE) || groups_[size_t(t.group)].sums)) merge(t);
  }
  if (summed_) report_norm(arguments);
  if (find_offender(arguments)) return;
  if (summed_) transform();
  advance(arguments);
}

}  // namespace gatun
