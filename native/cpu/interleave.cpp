// interleave.cpp - a step whose tensors do not wait for each other: each is summed and then updated while its gradient
// is still in the cache of the thread that summed it. Same operations on the same numbers as phase by phase, so the
// same bits.
#include <cmath>

#include "cpu/plan.h"

namespace gatun {

// With the finite check, a clip or sums over several tensors nothing may be written before everything has been read. A
// rule that sums transformed gradients would have to be handed over twice. Inputs are shared out by themselves.
bool CpuPlan::may_interleave(const gatun_step_arguments& arguments) const {
  if (arguments.flags & GATUN_CHECK_FINITE) return false;
  bool sums = false;
  for (const Group& g : groups_) {
    if (g.clips || g.pools || g.inputs || (g.sums && g.rule_sums > 0)) return false;
    sums |= g.sums || g.rule_sums > 0;
  }
  return sums;
}

void CpuPlan::step(const gatun_step_arguments& arguments) {
  if (!may_interleave(arguments)) {
    gatun_plan::step(arguments);
    return;
  }
  check_step(arguments, int64_t(groups_.size()));
  begin(arguments);
  summed_ = true;
  report_ = {NAN, 0, -1, -1, 0};
  for (int thread = 0; thread < threads_used_; ++thread)
    for (const Span& span : spans_[size_t(thread)]) {
      handovers_[size_t(span.tensor)].parts_left.store(0, std::memory_order_relaxed);
      handovers_[size_t(span.tensor)].ready.store(false, std::memory_order_relaxed);
    }
  for (int thread = 0; thread < threads_used_; ++thread)
    for (const Span& span : spans_[size_t(thread)])
      handovers_[size_t(span.tensor)].parts_left.fetch_add(1, std::memory_order_relaxed);
  {
    const IeeeArithmetic ieee;
    advance(arguments, false);
  }

  const auto sums = [&](const Span& span) {
    const Tensor& t = tensors_[size_t(span.tensor)];
    const Group& group = groups_[size_t(t.group)];
    return t.gradient != nullptr && (group.sums || group.rule_sums > 0);
  };
  const auto reduce = [&](const Span& span) {
    const Group& group = groups_[size_t(tensors_[size_t(span.tensor)].group)];
    if (group.sums) reduce_span(span);
    if (group.rule_sums > 0) rule_sums_span(span);
  };
  const auto finish = [&](Tensor& t) {
    const Group& group = groups_[size_t(t.group)];
    if (group.sums) {
      merge(t);
      standardize(group.description, 0, t);
    }
    if (group.rule_sums > 0) finish_rule(t, arguments.lr[t.group]);
  };
  context.pool->run(threads_used_, [&](int thread) {
    const std::vector<Span>& mine = spans_[size_t(thread)];
    // Tensors that a border cuts are summed first and updated last: nobody waits for a neighbour who is busy with
    // others.
    for (const Span& span : mine) {
      if (whole(span) || !sums(span)) continue;
      reduce(span);
      Handover& handover = handovers_[size_t(span.tensor)];
      if (handover.parts_left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        finish(tensors_[size_t(span.tensor)]);
        handover.ready.store(true, std::memory_order_release);
      }
    }
    for (const Span& span : mine) {
      if (!whole(span)) continue;
      if (sums(span)) {
        reduce(span);
        finish(tensors_[size_t(span.tensor)]);
      }
      apply_span(span, arguments.flags);
    }
    for (const Span& span : mine) {
      if (whole(span)) continue;
      if (sums(span))
        while (!handovers_[size_t(span.tensor)].ready.load(std::memory_order_acquire)) std::this_thread::yield();
      apply_span(span, arguments.flags);
    }
  });
  report_norm(arguments);
}

}  // namespace gatun
