// rule_sums.cuh - k_rule_sums: the sums that a rule needs over its tensors, for one rule in one form and one type. A
// gradient that nothing transforms gives its squares in the same pass.
#pragma once
#include "cuda/apply.cuh"
#include "cuda/reduce.cuh"
#include "cuda/row_sums.cuh"

namespace gatun {

// The same of elements that may be halves: first as they are in memory, see Elements.
template <class T>
GATUN_DEVICE Pack<T, kTeamLanes> fetch_lanes(const Elements<T>& from, int i) {
  if constexpr (Elements<T>::kMayBeHalf)
    if (from.halves()) return Elements<T>::paired(load_kept(from.half() + i));
  return load_lanes(static_cast<const T*>(from.whole()) + i);
}

template <class R, int variant>
struct SumsOf {
  static constexpr int value = R::sums(variant);
};

// One member's lanes of a chunk.
template <class R, int variant, class T>
struct RuleSums {
  static constexpr int kSums = SumsOf<R, variant>::value, kSlots = kSlotsOf<R, variant>;
  using Before = typename R::template Before<T>;

  double products[kSums][kTeamLanes] = {}, squares[kTeamLanes] = {};

  template <class Means>
  GATUN_DEVICE void add(const Team& team, const Before& before, const Elements<T>& weight, const Elements<T>& gradient,
                        const T* const* state, int n, bool aligned, T scale, const Means& means) {
    int i = team.member * kTeamLanes;
    const bool weighs = R::weighs(before);
    if (aligned) {
#pragma unroll 1
      for (; i + kTeamLanes <= n; i += int(kLanes)) {
        Pack<T, kTeamLanes> g = fetch_lanes(gradient, i), w{}, x[kSlots + 1];
        if (weighs) w = fetch_lanes(weight, i);
#pragma unroll
        for (int k = 0; k < kSlots; ++k) x[k] = load_lanes(state[k] + i);
        gradient.widen(g);
        if (weighs) weight.widen(w);
#pragma unroll
        for (int e = 0; e < kTeamLanes; ++e) accumulate_square(double(g.v[e]), squares[e]);
        means.transform(uint32_t(i), scale, g);
#pragma unroll
        for (int e = 0; e < kTeamLanes; ++e) {
          T one[kSlots + 1];
#pragma unroll
          for (int k = 0; k < kSlots; ++k) one[k] = x[k].v[e];
          add_products(before, g.v[e], w.v[e], one, e);
        }
      }
    }
#pragma unroll 1
    for (; i < n; i += int(kLanes)) {
#pragma unroll
      for (int e = 0; e < kTeamLanes; ++e) {
        if (i + e >= n) continue;
        Pack<T, 1> g{{gradient[i + e]}};
        T one[kSlots + 1];
#pragma unroll
        for (int k = 0; k < kSlots; ++k) one[k] = state[k][i + e];
        accumulate_square(double(g.v[0]), squares[e]);
        means.transform(uint32_t(i + e), scale, g);
        add_products(before, g.v[0], weighs ? weight[i + e] : T(0), one, e);
      }
    }
  }

 private:
  // The factors are formed in T and multiplied in double, as on the CPU.
  GATUN_DEVICE void add_products(const Before& before, T g, T w, const T* state, int lane) {
    T a[kSums], b[kSums];
    R::template factors<variant>(before, g, w, state, a, b);
#pragma unroll
    for (int k = 0; k < kSums; ++k) products[k][lane] = fma_(double(a[k]), double(b[k]), products[k][lane]);
  }
};

// The weights of a chunk as the step finds them: a master is filled when the step is applied.
template <class T>
GATUN_DEVICE Elements<T> weights_of(const Place<T>& place) {
  const GroupEntry& group = place.group;
  const Elements<T> masters{static_cast<unsigned char*>(place.t.weight), group.dtype},
      weights{reinterpret_cast<unsigned char*>(place.t.half), group.weight_dtype};
  const bool begins = weights.halves() && (group.moves_idle != 0 ? *group.steps : *place.t.steps) == 0;
  return (begins ? weights : masters) + place.range.begin;
}

// The same for a rule with rows: a matrix always waits, as its rows' factors are worked out by a whole block.
template <class R, int variant, class T>
GATUN_DEVICE int32_t row_sums_of_chunk(const Tables& tables, const Team& team, int64_t chunk) {
  using Sums = RuleSums<R, variant, T>;
  const auto place = Place<T>::of(tables, chunk);
  if (place.idle()) return -1;
  const TensorEntry& t = place.t;
  const int n = int(place.range.length);
  const bool again = tables.again != 0, alone = t.geometry.chunks == 1 && t.sums_rows == 0;
  if (!again) {  // lanes count from the chunk's first element, for the rule from each row's
    const double squares =
        visit_elements(place.gradients(), [&](auto gradient) { return team_squares(team, gradient, n); });
    if (team.leads()) {
      if (alone)
        tables.steps[place.tensor].squares = tables.steps[place.tensor].m2 = squares;
      else
        tables.partials[chunk].squares = squares;
    }
  }
  const auto& arguments = *reinterpret_cast<const typename R::Arguments*>(place.group.arguments);
  const StepScalars step{*t.steps + 1, tables.values[1 + t.group], t.decay != 0, nullptr, nullptr, 0};
  if (t.sums_rows == 0) {  // nothing is asked of the sums of a vector
    if (chunk == t.first_chunk && team.leads())
      *static_cast<T*>(t.drop) = T(R::drop(R::dropping(arguments, step), nullptr));
    return alone ? -1 : place.tensor;
  }
  const auto before = R::template before<T>(arguments, step);
  const bool cut = t.geometry.cuts_rows(), centered = place.step.centered != 0;
  const int row_length = cut ? n : int(t.geometry.row_length);
  double* to = t.row_sums + (cut ? chunk - t.first_chunk : place.range.begin / row_length) * kMaxSums;
  const T scale = T(again ? place.step.scale : tables.values[0]);
  const Pack<T, 2>* mean = place.means(tables, centered).first;
  const Elements<T> weights = weights_of(place);
#pragma unroll 1
  for (int begin = 0; begin < n; begin += row_length, to += kMaxSums, mean += centered) {
    const T* state[Sums::kSlots + 1];
#pragma unroll
    for (int k = 0; k < Sums::kSlots; ++k) state[k] = place.at(t.state[k]) + begin;
    Sums sums;
    sums.add(team, before, weights + begin, place.gradients() + begin, state, row_length,
             place.aligned() && begin % kVector<T> == 0, scale, RowMean<T>{*mean});
#pragma unroll
    for (int k = 0; k < Sums::kSums; ++k) {
      const double sum = team_tree(team, sums.products[k]);
      if (team.leads()) to[k] = sum;
    }
  }
  return place.tensor;
}

// Returns the tensor if its other chunks have to be waited for, else -1.
template <class R, int variant, class T>
GATUN_DEVICE int32_t rule_sums_of_chunk(const Tables& tables, const Team& team, int64_t chunk) {
  if constexpr (R::kRows) return row_sums_of_chunk<R, variant, T>(tables, team, chunk);
  using Sums = RuleSums<R, variant, T>;
  const auto place = Place<T>::of(tables, chunk);
  if (place.idle()) return -1;
  const TensorEntry& t = place.t;
  const StepScalars step{*t.steps + 1, tables.values[1 + t.group], t.decay != 0, nullptr, nullptr, 0};
  const auto before =
      R::template before<T>(*reinterpret_cast<const typename R::Arguments*>(place.group.arguments), step);
  const T* state[Sums::kSlots + 1];
#pragma unroll
  for (int k = 0; k < Sums::kSlots; ++k) state[k] = place.at(t.state[k]);
  // Before finalize has begun, all that is known of a transformation is the gradient's scale.
  const bool again = tables.again != 0;
  Sums sums;
  sums.add(team, before, weights_of(place), place.gradients(), state, int(place.range.length), place.aligned(),
           T(again ? place.step.scale : tables.values[0]), place.means(tables, place.step.centered != 0));
  const bool alone = t.geometry.chunks == 1;
  double* const to =
      alone ? tables.rule_sums + int64_t(place.tensor) * kMaxSums : tables.rule_partials + chunk * kMaxSums;
#pragma unroll
  for (int k = 0; k < Sums::kSums; ++k) {
    const double sum = team_tree(team, sums.products[k]);
    if (team.leads()) to[k] = sum;
  }
  if (!again) {
    const double squares = team_tree(team, sums.squares);
    if (team.leads()) {
      if (alone)
        tables.steps[place.tensor].squares = tables.steps[place.tensor].m2 = squares;
      else
        tables.partials[chunk].squares = squares;
    }
  }
  return alone ? -1 : place.tensor;
}

// By the whole block: a tensor's chunks become its sums.
template <class R, int variant, class T>
GATUN_DEVICE void merge_rule_sums(const Tables& tables, SumsShared& shared, int32_t tensor) {
  const TensorEntry& t = tables.tensors[tensor];
  constexpr int kSums = RuleSums<R, variant, T>::kSums;
  if constexpr (!R::kRows)
    add_sums<kSums>(tables, shared, tensor, tables.rule_partials + t.first_chunk * kMaxSums, t.geometry.chunks,
                    kMaxSums);
  else if (t.sums_rows != 0)
    merge_row_sums<R, kSums, T>(tables, shared, tensor);
  if (tables.again == 0) {
    const Pair pair = lane_sums(shared, t.geometry.chunks, [&](int64_t i) -> Pair {
      return {load_fresh(&tables.partials[t.first_chunk + i].squares), 0};
    });
    if (thread_index() == 0) tables.steps[tensor].squares = tables.steps[tensor].m2 = pair.a;
  }
  if (thread_index() == 0) tables.arrived[tensor] = 0;
}

// Three arrays and their sums are more than 80 registers hold, four sums more than 128 where they are of four arrays in
// double (AdamP). Two blocks still have 32 KB on their way, in double one.
template <class R, int variant, class T>
constexpr int kSumBlocksOf = sizeof(T) == 8 && kSlotsOf<R, variant> > 1 && R::kRows   ? 1
                             : sizeof(T) == 8 || kSlotsOf<R, variant> > 1 || R::kRows ? 2
                                                                                      : 3;

// Ends without finalize, which has every rule's scalars in it: as part of each of these kernels it would be most of
// what there is to compile, for 3 us of a launch.
template <class R, int variant, class T>
GATUN_KERNEL_OF((kSumBlocksOf<R, variant, T>))
k_rule_sums(const Tables tables) {
  GATUN_SHARED(SumsShared, shared);
  if (tables.again == 0 || tables.report->skipped == 0)
    sum_all_chunks(
        tables, shared,
        [&](const Team& team, int64_t chunk) { return rule_sums_of_chunk<R, variant, T>(tables, team, chunk); },
        [&](int32_t tensor) { merge_rule_sums<R, variant, T>(tables, shared, tensor); });
}

}  // namespace gatun
