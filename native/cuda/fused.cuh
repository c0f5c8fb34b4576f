// fused.cuh - k_fused: sums, scalars and update of tensors that do not wait for each other, in one launch, so that the
// second read of a gradient comes from the L2 cache. See docs/decisions for when a step takes this form.
//
// Blocks take tickets in order. The tickets go through windows of whole tensors of about 2^20 elements: the sums of
// window 0, of window 1, the update of window 0, the sums of window 2, the update of window 1, ... A block that is to
// update waits until the sums of that window are there. All their tickets come before its own, so blocks that are
// running hold them; the lowest ticket that is not done never waits, and it makes no difference how many blocks are
// resident. k_finalize concludes the step: the report, and the counters set back.
#pragma once
#include "cuda/rule_sums.cuh"

namespace gatun {

// All have read the ticket before: the work on it has a barrier behind that.
GATUN_DEVICE int64_t take_ticket(const Tables& tables, SumsShared& shared) {
  if (thread_index() == 0) shared.ticket = int64_t(count_up(tables.next_ticket, 1));
  GATUN_BARRIER();
  return shared.ticket;
}

// The scalars of a tensor whose sums are there, or that needs none.
template <class R, class T>
GATUN_DEVICE void finish_tensor(const Tables& tables, int32_t tensor) {
  tables.steps[tensor].scale = tables.values[0];
  tables.steps[tensor].centered = 0;
  if (tables.gradients[tensor].address != nullptr) standardize(tables, tensor, 0);
  advance(tables, tensor, [&](const GroupEntry& group, const StepScalars& step, void* to) {
    using Coefficients = typename R::template Coefficients<T>;
    *static_cast<Coefficients*>(to) =
        R::template finalize<T>(*reinterpret_cast<const typename R::Arguments*>(group.arguments), step);
  });
}

// Sums of a unit's chunks, one for each team, and the scalars of the tensors that are complete with them. A rule with
// sums is not fused where its gradients are transformed: either its sums are to be taken, or the gradient's.
template <class R, int variant, class T>
GATUN_DEVICE void sum_unit(const Tables& tables, SumsShared& shared, const Unit& unit) {
  constexpr int kSums = SumsOf<R, variant>::value;
  sum_chunks(tables, shared, unit.first_chunk, unit.first_chunk + unit.chunks, [&](const Team& team, int64_t chunk) {
    const int32_t tensor = tables.tensor_of_chunk[chunk];
    int32_t waiting;
    if constexpr (kSums > 0)
      waiting = rule_sums_of_chunk<R, variant, T>(tables, team, chunk);
    else
      waiting = reduce_chunk<T>(tables, team, chunk);
    // Nothing to wait for: a tensor of one chunk, or one without sums or gradient at its first.
    if (team.leads())
      shared.single[team.index] = waiting < 0 && chunk == tables.tensors[tensor].first_chunk ? tensor : -1;
    return waiting;
  });
  for (int k = 0; k < kTeams; ++k) {
    const int32_t tensor = shared.complete[k];
    if (tensor < 0) continue;
    if constexpr (kSums > 0)
      merge_rule_sums<R, variant, T>(tables, shared, tensor);
    else
      merge_tensor(tables, shared, tensor, [](const TensorEntry& t, Partial* partials) { merge_rows<T>(t, partials); });
  }
  GATUN_BARRIER();
  const int k = thread_index();
  if (k < unit.chunks) {
    const int32_t tensor = shared.complete[k] >= 0 ? shared.complete[k] : shared.single[k];
    if (tensor >= 0) finish_tensor<R, T>(tables, tensor);
  }
  fence();
  GATUN_BARRIER();
  if (k != 0) return;
  fence();
  count_up(&tables.units_done[unit.window], 1);
}

// Backwards, as k_apply: what has been read last is the likeliest to be in L2.
template <class R, int variant, class T>
GATUN_DEVICE void update_unit(const Tables& tables, const Unit& unit) {
  if (thread_index() == 0) {
    while (look_at(&tables.units_done[unit.window]) != tables.units_of_window[unit.window]) wait_a_little();
    fence();
  }
  GATUN_BARRIER();
  for (int64_t k = unit.chunks - 1; k >= 0; --k) step_chunk<R, variant, T>(tables, afresh(unit.first_chunk + k));
}

template <class R, int variant, class T>
GATUN_KERNEL_OF(2)
k_fused(const Tables tables) {
  GATUN_SHARED(SumsShared, shared);
  const int64_t tickets = tables.end_ticket - tables.first_ticket;
  for (int64_t ticket = take_ticket(tables, shared); ticket < tickets; ticket = take_ticket(tables, shared)) {
    const int32_t item = tables.tickets[tables.first_ticket + ticket];
    if (item >= 0)
      sum_unit<R, variant, T>(tables, shared, tables.units[item]);
    else
      update_unit<R, variant, T>(tables, tables.units[~item]);
  }
}

}  // namespace gatun
