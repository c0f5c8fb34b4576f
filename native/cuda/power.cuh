// power.cuh - the mean power of what layers are fed with, by channel, and what finalize and k_apply make of it. The
// device's form of cpu/power.cpp; the parts are those of rules/power.h.
#pragma once
#include "cuda/sums.cuh"
#include "cuda/tables.h"
#include "rules/rules.h"

namespace gatun {

// Does this step look at this input?
GATUN_DEVICE bool is_fed(const Tables& tables, int64_t powered) {
  return tables.inputs[powered].bound != 0 && tables.gradients[tables.powered[powered].tensor].address != nullptr;
}

template <bool absolute, class T>
GATUN_DEVICE double team_power(const Team& team, const T* x, const PowerPart& part) {
  double q[kTeamLanes] = {};
  x += part.begin;
#pragma unroll 1
  for (int64_t plane = 0; plane < part.planes; ++plane, x += part.stride)
    over_members(team, x, int(part.length), [&](int e, double v) { accumulate_power<absolute>(v, q[e]); });
  return team_tree(team, q);
}

template <class T>
GATUN_DEVICE double team_power(const Team& team, const void* x, const PowerPart& part, bool absolute) {
  return absolute ? team_power<true>(team, static_cast<const T*>(x), part)
                  : team_power<false>(team, static_cast<const T*>(x), part);
}

// By one block: a mean power that is not finite and 0 or more is its tensor's offence.
GATUN_DEVICE void judge_powers(const Tables& tables, SumsShared& shared) {
  for (int64_t powered = 0; powered < tables.powered_count; ++powered) {
    if (!is_fed(tables, powered)) continue;
    const PoweredEntry& p = tables.powered[powered];
    for (int64_t c = thread_index(); c < p.powers; c += kThreads)
      if (!(p.means[c] >= 0 && p.means[c] - p.means[c] == 0)) lower_to(&shared.offender, p.tensor);
  }
}

template <class R>
GATUN_DEVICE void invert(const PoweredEntry& p, const void* arguments, bool first, double* powers) {
  const auto& a = *static_cast<const typename R::Arguments*>(arguments);
  for (int64_t c = thread_index(); c < p.powers; c += kThreads)
    p.inverses[c] = R::inverse(a, p.means[c], powers[c], first || powers[c] < 0);
}

template <class T>
GATUN_DEVICE void spread(const PoweredEntry& p) {
  for (int64_t i = thread_index(); i < p.factor_count; i += kThreads)
    static_cast<T*>(p.factors)[i] = T(p.inverses[i / p.repeat]);
}

// By one block, before the tensors' steps are counted: powers take the batch in, factors come of them.
GATUN_DEVICE void take_powers(const Tables& tables) {
  for (int64_t powered = 0; powered < tables.powered_count; ++powered) {
    if (!is_fed(tables, powered)) continue;
    const PoweredEntry& p = tables.powered[powered];
    const TensorEntry& t = tables.tensors[p.tensor];
    const GroupEntry& group = tables.groups[t.group];
    double* const powers = static_cast<double*>(t.state[group.slots]);
    switch (group.rule) {
#define GATUN_RULE_CASE(number, constant, name, fields)                                                   \
  case number:                                                                                            \
    if constexpr (Rule<number>::kInputs) invert<Rule<number>>(p, group.arguments, *t.steps == 0, powers); \
    break;
      GATUN_RULES(GATUN_RULE_CASE)
#undef GATUN_RULE_CASE
    }
  }
  GATUN_BARRIER();
  for (int64_t powered = 0; powered < tables.powered_count; ++powered) {
    if (!is_fed(tables, powered)) continue;
    const PoweredEntry& p = tables.powered[powered];
    if (tables.groups[tables.tensors[p.tensor].group].dtype == GATUN_F64)
      spread<double>(p);
    else
      spread<float>(p);
  }
}

// The factor of a tensor that has one for all of it.
GATUN_DEVICE double inverse_of(const Tables& tables, const TensorEntry& t) {
  return t.powered >= 0 && is_fed(tables, t.powered) ? tables.powered[t.powered].inverses[0] : 1;
}

// The factors of the elements of a chunk, where they differ within the tensor.
template <class T>
struct ChannelFactors {
  const T* values;  // those of a row of the first element's group; null: the tensor has one factor
  int64_t row_length, rows_per_group;
  int64_t at, row;  // where the first element is: in its row, and its row among those of its group

  static GATUN_DEVICE ChannelFactors of(const Tables& tables, const TensorEntry& t, int64_t begin) {
    if (t.powered < 0 || !is_fed(tables, t.powered) || tables.powered[t.powered].factors == nullptr) return {};
    const PoweredEntry& p = tables.powered[t.powered];
    const int64_t row = begin / p.row_length;
    return {static_cast<const T*>(p.factors) + row / p.rows_per_group * p.row_length, p.row_length, p.rows_per_group,
            begin % p.row_length, row % p.rows_per_group};
  }

  // Of number i of the chunk.
  GATUN_DEVICE T operator()(uint32_t i) const {
    const Place in_row = wrap(at + i, row_length);
    return values[wrap(row + in_row.wraps, rows_per_group).wraps * row_length + in_row.rest];
  }

 private:
  struct Place {
    uint32_t wraps;
    int64_t rest;
  };
  // x / size and x % size in 32 bits, for an x less than kChunk behind a place below `size`.
  static GATUN_DEVICE Place wrap(int64_t x, int64_t size) {
    if (x < size) return {0, x};
    const uint32_t over = uint32_t(x - size), by = uint32_t(size < kChunk ? size : kChunk);
    return {1 + over / by, over % by};
  }
};

}  // namespace gatun
