// finalize.cuh - the scalars of a step, from the sums: is it refused, and with which factors is it applied? The
// device's form of cpu/finalize.cpp; what is to be summed is summed in the same order.
#pragma once
#include "cuda/power.cuh"
#include "cuda/sums.cuh"
#include "cuda/tables.h"
#include "rules/average.h"
#include "rules/gradient.h"
#include "rules/rules.h"

namespace gatun {

// Does this step sum the squares of this tensor's gradient?
GATUN_DEVICE bool is_summed(const Tables& tables, int64_t tensor) {
  if (tables.gradients[tensor].address == nullptr) return false;
  return (tables.flags & GATUN_CHECK_FINITE) != 0 || tables.groups[tables.tensors[tensor].group].sums != 0;
}

GATUN_DEVICE bool is_finite(double x) { return x - x == 0; }

// True in the block that comes last, and there once all others' writes can be seen.
GATUN_DEVICE bool last_block(const Tables& tables, SumsShared& shared) {
  fence();
  GATUN_BARRIER();
  if (thread_index() == 0) {
    shared.last = int64_t(count_up(tables.blocks_done, 1)) + 1 == block_count();
    if (shared.last) *tables.blocks_done = 0;
    fence();
  }
  GATUN_BARRIER();
  return shared.last != 0;
}

GATUN_DEVICE GradientState gradient_state(const Tables& tables, int64_t tensor) {
  const TensorStep& step = tables.steps[tensor];
  return {load_fresh(&step.squares), load_fresh(&step.m2), step.scale, step.centered != 0};
}

// By one thread.
GATUN_DEVICE void refuse(const Tables& tables, int32_t tensor, bool input) {
  gatun_step_report& report = *tables.report;
  report.skipped = 1;
  report.skipped_input = input;
  report.skipped_group = tables.tensors[tensor].group;
  report.skipped_tensor = tensor - tables.groups[report.skipped_group].first_tensor;
}

// Adds up the norm and looks for what is not finite: every NaN and infinity in a gradient or an input ends up in
// one of the sums. False if the step is refused.
GATUN_DEVICE bool judge(const Tables& tables, SumsShared& shared) {
  if (thread_index() == 0) shared.offender = INT32_MAX, shared.unsummed = tables.summed == 0;
  GATUN_BARRIER();
  if ((tables.flags & GATUN_CHECK_FINITE) != 0) judge_powers(tables, shared);
  const Pair squares = lane_sums(shared, tables.tensor_count, [&](int64_t i) -> Pair {
    if (tables.gradients[i].address == nullptr) return {0, 0};
    tables.steps[i].scale = tables.values[0];
    tables.steps[i].centered = 0;
    if (!is_summed(tables, i)) {
      shared.unsummed = 1;
      return {0, 0};
    }
    const GradientState g = gradient_state(tables, i);
    if ((tables.flags & GATUN_CHECK_FINITE) != 0 && !is_finite(g.squares + g.m2))
      lower_to(&shared.offender, int32_t(i));
    return {g.squares, 0};
  });
  const int32_t offender = shared.offender;
  const bool refused = offender != INT32_MAX;
  if (thread_index() == 0) {
    const double scale = tables.values[0], nan = bits_<double>(uint64_t(0x7ff8000000000000u));
    gatun_step_report& report = *tables.report;
    report.gradient_norm = shared.unsummed != 0 ? nan : sqrt_(squares.a) * (scale < 0 ? -scale : scale);
    report.skipped = report.skipped_input = 0;
    report.skipped_group = report.skipped_tensor = -1;
    if (refused) {
      const GradientState g = gradient_state(tables, offender);
      refuse(tables, offender, is_finite(g.squares + g.m2));
    }
  }
  return !refused;
}

// A tensor's transformations from the end of clip number `round` - 1 to clip number `round`, which needs all tensors'
// norms. Returns that clip's place in the group's list, or -1 if there is none.
GATUN_DEVICE int standardize(const Tables& tables, int64_t tensor, int round) {
  const TensorEntry& t = tables.tensors[tensor];
  const GroupEntry& group = tables.groups[t.group];
  GradientState g = gradient_state(tables, tensor);
  int k = 0, clips = 0;
  for (; k < group.transform_count; ++k) {
    const gatun_transform& transform = group.transforms[k];
    if (transform.kind == GATUN_CLIP) {
      if (clips++ == round) break;
    } else if (clips == round) {
      g.standardize(transform.center != 0 && t.centered != 0, transform.normalize != 0, transform.value);
    }
  }
  tables.steps[tensor].scale = g.scale;
  tables.steps[tensor].centered = g.centered;
  return k < group.transform_count ? k : -1;
}

// All groups' transformations. A clip's norm is over every tensor of every group that clips; the n-th clip of one
// group, counted from the outermost, goes with the n-th of the others.
GATUN_DEVICE void transform(const Tables& tables, SumsShared& shared) {
  for (int round = 0; round <= tables.clips; ++round) {
    const Pair squares = lane_sums(shared, tables.tensor_count, [&](int64_t i) -> Pair {
      if (!is_summed(tables, i) || standardize(tables, i, round) < 0) return {0, 0};
      return {gradient_state(tables, i).norm_squared(), 0};
    });
    const double norm = sqrt_(squares.a);
    for (int64_t i = thread_index(); i < tables.tensor_count; i += kThreads) {
      if (!is_summed(tables, i)) continue;
      const GroupEntry& group = tables.groups[tables.tensors[i].group];
      int clips = 0;
      for (int k = 0; k < group.transform_count; ++k) {
        if (group.transforms[k].kind != GATUN_CLIP || clips++ != round) continue;
        tables.steps[i].scale = tables.steps[i].scale * clip_factor(norm, group.transforms[k].value);
      }
    }
  }
}

// Refuses the step where every element is finite, but its square would not be: with what clips and norms made of it.
GATUN_DEVICE bool overflows(const Tables& tables, SumsShared& shared) {
  if ((tables.flags & GATUN_CHECK_FINITE) == 0) return false;
  if (thread_index() == 0) shared.offender = INT32_MAX;
  GATUN_BARRIER();
  for (int64_t i = thread_index(); i < tables.tensor_count; i += kThreads) {
    const bool is_double = tables.groups[tables.tensors[i].group].dtype == GATUN_F64;
    if (tables.gradients[i].address != nullptr && tables.tensors[i].geometry.chunks > 0 &&
        !gradient_state(tables, i).fits(is_double))
      lower_to(&shared.offender, int32_t(i));
  }
  GATUN_BARRIER();
  const int32_t offender = shared.offender;
  if (offender == INT32_MAX) return false;
  if (thread_index() == 0) refuse(tables, offender, false);
  return true;
}

// Sums that a rule takes over all its tensors, whatever their groups.
GATUN_DEVICE void pool(const Tables& tables, SumsShared& shared) {
  for (int rule = 0; tables.pooling >> rule != 0; ++rule) {
    if ((tables.pooling >> rule & 1) == 0) continue;
    for (int k = 0; k < kMaxSums; k += 2) {
      const Pair sums = lane_sums(shared, tables.tensor_count, [&](int64_t i) -> Pair {
        const GroupEntry& group = tables.groups[tables.tensors[i].group];
        if (tables.gradients[i].address == nullptr || group.pools == 0 || group.rule != rule) return {0, 0};
        const double* of = tables.rule_sums + i * kMaxSums + k;
        return {load_fresh(of), k + 1 < kMaxSums ? load_fresh(of + 1) : 0};
      });
      if (thread_index() != 0) continue;
      double* const pooled = tables.pooled + rule * kMaxSums + k;
      pooled[0] = sums.a;
      if (k + 1 < kMaxSums) pooled[1] = sums.b;
    }
    GATUN_BARRIER();
  }
}

template <class T>
GATUN_DEVICE void coefficients(const GroupEntry& group, const StepScalars& step, void* to) {
  switch (group.rule) {
#define GATUN_RULE_CASE(number, constant, name, fields)                                             \
  case number:                                                                                      \
    static_assert(sizeof(Rule<number>::Coefficients<T>) <= kCoefficientsBytes);                     \
    static_assert(sizeof(gatun_##name) <= kArgumentBytes);                                          \
    if constexpr (Rule<number>::kOnCuda)                                                            \
      *static_cast<Rule<number>::Coefficients<T>*>(to) =                                            \
          Rule<number>::finalize<T>(*reinterpret_cast<const gatun_##name*>(group.arguments), step); \
    break;
    GATUN_RULES(GATUN_RULE_CASE)
#undef GATUN_RULE_CASE
  }
}

// The step takes place: this tensor's counter goes on, its coefficients and its averages' parts are worked out.
template <class Finalize>
GATUN_DEVICE void advance(const Tables& tables, int64_t tensor, Finalize coefficients) {
  const TensorEntry& t = tables.tensors[tensor];
  const GroupEntry& group = tables.groups[t.group];
  const bool idle = tables.gradients[tensor].address == nullptr;
  bool first = false;
  if (!idle) {
    const int64_t taken = ++*t.steps;
    first = taken == 1;
    const double* const from =
        group.pools != 0 ? tables.pooled + group.rule * kMaxSums : tables.rule_sums + tensor * kMaxSums;
    double sums[kMaxSums] = {};
    if (group.rule_sums > 0)
      for (int k = 0; k < kMaxSums; ++k) sums[k] = load_fresh(from + k);
    StepScalars step{taken,
                     tables.values[1 + t.group],
                     t.decay != 0,
                     sums,
                     static_cast<double*>(t.state[group.slots]),
                     double(t.geometry.length)};
    step.inverse = inverse_of(tables, t);
    coefficients(group, step, tables.coefficients + tensor * kCoefficientsBytes);
  }
  const int64_t group_step = *group.steps + 1;
  int32_t begins = 0, acts = 0;
  bool synchronizes = false;
  for (int a = 0; a < group.average_count; ++a) {
    const gatun_average& average = group.averages[a];
    if (average.skip_idle != 0 && idle) continue;
    if (average.skip_idle != 0 ? first : group_step == 1) begins |= 1 << a;
    tables.steps[tensor].parts[a] = average_part(average, group_step);
    const bool is_lookahead = average.kind == GATUN_LOOKAHEAD, now = is_lookahead && group_step % average.k == 0;
    if (!is_lookahead || now) acts |= 1 << a;
    synchronizes |= now;
  }
  int32_t master = 0;
  if (is_half(group.weight_dtype)) {
    if (group.moves_idle != 0 ? group_step == 1 : first) master |= kMasterBegins;
    if (!idle || synchronizes) master |= kMasterMoves;
  }
  TensorStep& of_step = tables.steps[tensor];
  of_step.begins = begins;
  of_step.acts = acts;
  of_step.master = master;
  of_step.group_step = group_step;
}

GATUN_DEVICE void advance(const Tables& tables, int64_t tensor) {
  advance(tables, tensor, [](const GroupEntry& group, const StepScalars& step, void* to) {
    if (group.dtype == GATUN_F64)
      coefficients<double>(group, step, to);
    else
      coefficients<float>(group, step, to);
  });
}

GATUN_DEVICE void advance_groups(const Tables& tables) {
  for (int64_t g = thread_index(); g < tables.group_count; g += kThreads) ++*tables.groups[g].steps;
}

// By one block, when the sums for these stages are there.
GATUN_DEVICE void decide(const Tables& tables, SumsShared& shared) {
  if ((tables.stages & kJudges) != 0) {
    if (!judge(tables, shared)) return;
    transform(tables, shared);
    if (overflows(tables, shared)) return;
  } else if (tables.report->skipped != 0) {
    return;
  }
  if ((tables.stages & kAdvances) == 0) return;
  pool(tables, shared);
  if (tables.powered_count > 0) take_powers(tables);
  for (int64_t i = thread_index(); i < tables.tensor_count; i += kThreads) advance(tables, i);
  GATUN_BARRIER();
  advance_groups(tables);
}

}  // namespace gatun
