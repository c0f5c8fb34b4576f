// finalize.cpp - the scalars of a step, from the sums: is it refused, and with which factors is it applied?
#include <cmath>

#include "core/error.h"
#include "cpu/plan.h"
#include "rules/average.h"

namespace gatun {

// Chunks become a tensor's sums. Rows that were cut get their means only here.
void CpuPlan::merge(Tensor& t) {
  const Partial* partial = partials_.data() + t.first_partial;
  const Geometry& geometry = t.geometry;
  if (geometry.chunks == 1) {  // a sum of one term: 10,000 small tensors have no time for 32 lanes each
    t.state_of_gradient.squares = partial->squares;
    t.state_of_gradient.m2 = t.centered ? partial->m2 : partial->squares;
    return;
  }
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

// Refuses the step if a sum is not finite; every NaN and infinity in a gradient or an input ends up in one of them.
bool CpuPlan::find_offender(const gatun_step_arguments& arguments) {
  if (!(arguments.flags & GATUN_CHECK_FINITE)) return false;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const Tensor& t = tensors_[i];
    if (t.gradient == nullptr) continue;
    const double sum = t.state_of_gradient.squares + t.state_of_gradient.m2;
    if (std::isfinite(sum) && powers_finite(t)) continue;
    refuse(i, std::isfinite(sum));
    return true;
  }
  return false;
}

// The same where every element is finite, but its square would not be: with what clips and norms made of the gradient.
bool CpuPlan::find_overflow(const gatun_step_arguments& arguments) {
  if (!(arguments.flags & GATUN_CHECK_FINITE)) return false;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const Tensor& t = tensors_[i];
    const bool is_double = groups_[size_t(t.group)].description.dtype == GATUN_F64;
    if (t.gradient == nullptr || t.geometry.chunks == 0 || t.state_of_gradient.fits(is_double)) continue;
    refuse(i, false);
    return true;
  }
  return false;
}

void CpuPlan::refuse(size_t tensor, bool input) {
  const int32_t group = tensors_[tensor].group;
  report_.skipped = 1;
  report_.skipped_input = input;
  report_.skipped_group = group;
  report_.skipped_tensor = int64_t(tensor) - groups_[size_t(group)].first_tensor;
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

void CpuPlan::merge_rule_sums(const Tensor& t, double* sums) const {
  const double* partial = rule_partials_.data() + t.first_rule_partial * kMaxSums;
  for (int k = 0; k < groups_[size_t(t.group)].rule_sums; ++k) {
    LaneSum sum;
    for (int64_t c = 0; c < t.geometry.chunks; ++c) sum.add(c, partial[c * kMaxSums + k]);
    sums[k] = sum.total();
  }
}

// Sums that a rule takes over all its tensors, whatever their groups.
void CpuPlan::pool_rule_sums() {
  for (Group& group : groups_) {
    if (!group.pools) continue;
    LaneSum totals[kMaxSums];
    for (size_t i = 0; i < tensors_.size(); ++i) {
      const Group& other = groups_[size_t(tensors_[i].group)];
      if (tensors_[i].gradient == nullptr || !other.pools || other.description.rule != group.description.rule) continue;
      double sums[kMaxSums];
      merge_rule_sums(tensors_[i], sums);
      for (int k = 0; k < group.rule_sums; ++k) totals[k].add(int64_t(i), sums[k]);
    }
    for (int k = 0; k < group.rule_sums; ++k) group.pooled[k] = totals[k].total();
  }
}

// The parts of each row become its sums, which take the parts' place from the front.
void CpuPlan::merge_cut_rows(const Tensor& t) {
  double* partial = rule_partials_.data() + t.first_rule_partial * kMaxSums;
  const int64_t parts = t.geometry.chunks_per_row;
  for (int64_t row = 0; row < t.geometry.rows(); ++row)
    for (int k = 0; k < groups_[size_t(t.group)].rule_sums; ++k) {
      double sum = partial[row * parts * kMaxSums + k];
      for (int64_t i = 1; i < parts; ++i) sum = sum + partial[(row * parts + i) * kMaxSums + k];
      partial[row * kMaxSums + k] = sum;
    }
}

// The coefficients of a rule with sums, and its state's scalars.
void CpuPlan::finish_rule(Tensor& t, double lr) {
  Group& group = groups_[size_t(t.group)];
  if (group.rows) {
    if (t.row_sums && t.geometry.cuts_rows()) merge_cut_rows(t);
    RuleStep step{*t.steps, lr, t.decay, nullptr, nullptr, double(t.geometry.length)};
    step.row_length = t.row_sums ? double(t.geometry.row_length) : 0;
    unsigned char* own = group.own[size_t(&t - tensors_.data() - group.first_tensor)].bytes;
    group.kernels->finalize_by_row(group.description.rule, group.description.arguments, step,
                                   rule_partials_.data() + t.first_rule_partial * kMaxSums, t.geometry.rows(), own,
                                   t.drop);
    t.coefficients = own;
    return;
  }
  double sums[kMaxSums];
  if (!group.pools) merge_rule_sums(t, sums);
  unsigned char* own = group.own[size_t(&t - tensors_.data() - group.first_tensor)].bytes;
  auto* scalars = static_cast<double*>(group.averages > group.slots ? t.state[group.slots] : nullptr);
  group.kernels->finalize(
      group.description.rule, group.description.arguments,
      {*t.steps, lr, t.decay, group.pools ? group.pooled : sums, scalars, double(t.geometry.length)}, own);
  t.coefficients = own;
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

void CpuPlan::gradient_norms(double* norms) {
  const IeeeArithmetic ieee;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    Tensor& t = tensors_[i];
    const bool summed = (flags & GATUN_CHECK_FINITE) || groups_[size_t(t.group)].sums;
    if (phase == Phase::kReduced && t.gradient != nullptr && summed) merge(t);
    norms[i] = sqrt_(t.state_of_gradient.squares);
  }
}

// The step takes place: counters go on, and every tensor gets its coefficients, unless its rule's sums are still to
// come.
void CpuPlan::advance(const gatun_step_arguments& arguments, bool rules_summed) {
  for (size_t g = 0; g < groups_.size(); ++g) {
    Group& group = groups_[g];
    for (int64_t i = 0; i < group.description.count; ++i) {
      Tensor& t = tensors_[size_t(group.first_tensor + i)];
      if (t.gradient == nullptr) continue;
      const int64_t step = ++*t.steps;
      t.first = step == 1;
      if (fed(t) != nullptr)
        finish_powers(t, arguments.lr[g]);
      else if (group.rule_sums == 0)
        t.coefficients = cached(group, &Kernels::finalize, step, t.decay, arguments.lr[g]);
      else if (rules_summed || t.geometry.chunks == 0)  // nobody comes by an empty tensor later
        finish_rule(t, arguments.lr[g]);
    }
    const int64_t step = ++group.description.counters[group.description.count];
    for (int a = 0; a < group.description.average_count; ++a)
      group.parts[a] = average_part(group.description.averages[a], step);
  }
}

void CpuPlan::finalize(const gatun_step_arguments& arguments) {
  check_step(arguments, int64_t(groups_.size()));
  report_ = {NAN, 0, -1, -1, 0};
  bool again = false;
  {
    const IeeeArithmetic ieee;
    merge_powers();
    for (Tensor& t : tensors_) {
      const Group& group = groups_[size_t(t.group)];
      if (t.gradient == nullptr) continue;
      again |= group.sums && group.rule_sums > 0;
      if (summed_ && ((arguments.flags & GATUN_CHECK_FINITE) || group.sums)) merge(t);
    }
    if (summed_) report_norm(arguments);
    if (find_offender(arguments)) return;
    if (summed_) transform();
    if (find_overflow(arguments)) return;
  }
  if (again)  // rules that sum transformed gradients
    context.pool->run(threads_used_, [&](int thread) {
      for (const Span& span : spans_[size_t(thread)]) {
        const Tensor& t = tensors_[size_t(span.tensor)];
        const Group& group = groups_[size_t(t.group)];
        if (t.gradient != nullptr && group.sums && group.rule_sums > 0) rule_sums_span(span);
      }
    });
  const IeeeArithmetic ieee;
  pool_rule_sums();
  advance(arguments, true);
}

}  // namespace gatun
