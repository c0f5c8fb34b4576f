// apply.cuh - k_apply: the elementwise pass over weights and state, for one rule in one form and one type.
#pragma once
#include <type_traits>

#include "cuda/elements.cuh"
#include "cuda/power.cuh"
#include "rules/average.h"
#include "rules/gradient.h"
#include "rules/rules.h"

namespace gatun {

// What the rows that elements are in have, one value for each row.
template <class Value>
struct Rows {
  const Value* first;  // of the row of the chunk's first element
  uint32_t row_length;

  // Calls body(e, its row's value) for n elements of which the first is number i of the chunk.
  template <int n, class Body>
  GATUN_DEVICE void over(uint32_t i, Body body) const {
    const Value* row = first;
    if (i >= row_length) {
      const uint32_t skip = i / row_length;
      row += skip;
      i -= skip * row_length;
    }
    Value value = *row;
#pragma unroll
    for (int e = 0; e < n; ++e) {
      body(e, value);
      if (e + 1 < n && ++i == row_length) {
        i = 0;
        value = *++row;
      }
    }
  }
};

// Means of rows, as pairs (hi, lo).
template <class T>
struct RowMeans : Rows<Pack<T, 2>> {
  // The transformed gradients of n elements of which the first is number i of the chunk.
  template <int n>
  GATUN_DEVICE void transform(uint32_t i, T scale, Pack<T, n>& g) const {
    this->template over<n>(
        i, [&](int e, const Pack<T, 2>& mean) { g.v[e] = standardized(g.v[e], mean.v[0], mean.v[1], scale); });
  }
};

// The mean of the one row that all elements are in.
template <class T>
struct RowMean {
  Pack<T, 2> mean;

  template <int n>
  GATUN_DEVICE void transform(uint32_t, T scale, Pack<T, n>& g) const {
#pragma unroll
    for (int e = 0; e < n; ++e) g.v[e] = standardized(g.v[e], mean.v[0], mean.v[1], scale);
  }
};

// A rule's factors of rows.
template <class T>
struct RowFactors : Rows<T> {
  template <int n>
  GATUN_DEVICE Pack<T, n> fetch(uint32_t i) const {
    Pack<T, n> factors;
    this->template over<n>(i, [&](int e, T factor) { factors.v[e] = factor; });
    return factors;
  }
};

// Calls body(number of elements, their first) for this thread's elements of a chunk: 16 bytes at a time where every
// array is aligned, else one by one. A thread gets the same elements in every pass over the chunk, so that one may read
// what the one before has written.
template <class T, class Body>
GATUN_DEVICE void over_elements(int n, bool aligned, Body body) {
  constexpr int kWidth = kVector<T>;
  const int vectors_end = aligned ? n - n % kWidth : 0;
#pragma unroll 1
  for (int i = vectors_end + thread_index(); i < n; i += kThreads) body(Width<1>{}, i);
#pragma unroll 1  // last: it is what needs the registers
  for (int i = thread_index() * kWidth; i < vectors_end; i += kThreads * kWidth) body(Width<kWidth>{}, i);
}

// Of a rule that has some.
template <class R, class T>
using FactorsOf = std::conditional_t<R::kRows, RowFactors<T>, ChannelFactors<T>>;

template <class R, int variant>
constexpr int kSlotsOf = R::slots(variant);

// The rule's pass over a chunk that begins at these addresses. Registers are what it is short of, so the coefficients,
// which lie in the cache, are fetched for each element.
template <class R, int variant, class T>
GATUN_DEVICE void update_chunk(const typename R::template Coefficients<T>& c, T* weight, const Elements<T>& gradient,
                               void* const* state, int64_t begin, int n, bool aligned, T scale,
                               const RowMeans<T>& means, const FactorsOf<R, T>& factors, bool swapped, bool zero) {
  constexpr int kSlots = kSlotsOf<R, variant>;
  T* s[kSlots + 1];
#pragma unroll
  for (int k = 0; k < kSlots; ++k) s[k] = static_cast<T*>(state[swapped && k < 2 ? 1 - k : k]) + begin;
  over_elements<T>(n, aligned, [&](auto width, int i) {
    constexpr int kWidth = decltype(width)::value;
    Pack<T, kWidth> g = gradient.template fetch_once<kWidth>(i), w = load_once<kWidth>(weight + i), x[kSlots + 1];
#pragma unroll
    for (int k = 0; k < kSlots; ++k) x[k] = load_once<kWidth>(s[k] + i);
    gradient.widen(g);
    means.transform(uint32_t(i), scale, g);
    Pack<T, kWidth> drop;
    if constexpr (R::kRows) drop = factors.template fetch<kWidth>(uint32_t(i));
#pragma unroll
    for (int e = 0; e < kWidth; ++e) {
      fetch_again();
      T one[kSlots + 1];
#pragma unroll
      for (int k = 0; k < kSlots; ++k) one[k] = x[k].v[e];
      if constexpr (R::kInputs)
        R::template update<variant>(c, g.v[e], w.v[e], one,
                                    factors.values == nullptr ? c.inverse : factors(uint32_t(i + e)));
      else if constexpr (R::kRows)
        R::template update<variant>(c, g.v[e], w.v[e], one, drop.v[e]);
      else
        R::template update<variant>(c, g.v[e], w.v[e], one);
#pragma unroll
      for (int k = 0; k < kSlots; ++k) x[k].v[e] = one[k];
    }
    store_once(weight + i, w);
#pragma unroll
    for (int k = 0; k < kSlots; ++k)
      if (!(R::kReadOnly >> k & 1)) store_once(s[k] + i, x[k]);
    if (zero) gradient.template clear<kWidth>(i);
  });
}

// Masters of a chunk, and the weights that they are for.
GATUN_DEVICE void widen_weights(int32_t dtype, const uint16_t* half, float* master, int n, bool aligned) {
  over_elements<float>(n, aligned, [&](auto width, int i) {
    store_once(master + i, widened(dtype, load_once<decltype(width)::value>(half + i)));
  });
}

struct Rounding {
  int64_t seed, tensor, t;  // of the draws
  int32_t dtype, rounding;

  template <int n>
  GATUN_DEVICE Pack<uint16_t, n> operator()(const Pack<float, n>& x, const RoundingKey& key, uint32_t first) const {
    Pack<uint16_t, n> h;
    const auto each = [&](auto round) {
#pragma unroll
      for (int e = 0; e < n; ++e) h.v[e] = round(x.v[e], first + e);
    };
    if (rounding == GATUN_STOCHASTIC) {
      if (dtype == GATUN_BF16)
        each([&](float v, uint32_t element) { return random_bf16(v, key.draw(element)); });
      else
        each([&](float v, uint32_t element) { return random_f16(v, key.draw(element)); });
    } else if (dtype == GATUN_BF16) {
      each([](float v, uint32_t) { return nearest_bf16(v); });
    } else {
      each([](float v, uint32_t) { return nearest_f16(v); });
    }
    return h;
  }
};

// A draw's counter has 32 bits and the upper ones are in the key: a chunk on the border of two keys is gone through
// twice. No vector is on it.
GATUN_DEVICE void round_masters(const Rounding& rounding, const float* master, uint16_t* half, int64_t begin, int n,
                                bool aligned) {
  for (int64_t block = begin >> 32; block <= (begin + n - 1) >> 32; ++block) {
    const RoundingKey key = RoundingKey::of(rounding.seed, rounding.tensor, rounding.t, block);
    over_elements<float>(n, aligned, [&](auto width, int i) {
      if ((begin + i) >> 32 != block) return;
      store_once(half + i, rounding(load_once<decltype(width)::value>(master + i), key, uint32_t(begin + i)));
    });
  }
}

// The averages of a chunk of weights that begins at `weight`; `begin` is its place in the average.
template <class T>
GATUN_DEVICE void begin_average(T* weight, T* average, int n, bool aligned) {
  over_elements<T>(n, aligned,
                   [&](auto width, int i) { store_once(average + i, load_once<decltype(width)::value>(weight + i)); });
}
template <class T>
GATUN_DEVICE void follow(bool is_ema, T part, T* weight, T* average, int n, bool aligned) {
  over_elements<T>(n, aligned, [&](auto width, int i) {
    constexpr int kWidth = decltype(width)::value;
    Pack<T, kWidth> w = load_once<kWidth>(weight + i), other = load_once<kWidth>(average + i);
#pragma unroll
    for (int e = 0; e < kWidth; ++e)
      if (is_ema)
        ema(w.v[e], other.v[e], part);
      else
        lookahead(w.v[e], other.v[e], part);
    store_once(average + i, other);
    if (!is_ema) store_once(weight + i, w);
  });
}

// A chunk's place in its tensor. Every pass looks it up for itself: kept from one to the next it would cost the rule's
// pass a dozen of its 64 registers.
template <class T>
struct Place {
  int32_t tensor;
  const TensorEntry& t;
  const GroupEntry& group;
  const TensorStep& step;
  Elements<T> gradient;  // of the tensor; at null: none
  ChunkRange range;

  static GATUN_DEVICE Place of(const Tables& tables, int64_t chunk) {
    const int32_t tensor = tables.tensor_of_chunk[chunk];
    const TensorEntry& t = tables.tensors[tensor];
    return {tensor,
            t,
            tables.groups[t.group],
            tables.steps[tensor],
            Elements<T>::of(tables.gradients[tensor]),
            t.geometry.chunk(chunk - t.first_chunk)};
  }
  // Do vectors of all arrays begin here? Every pass must answer alike: it decides which elements a thread has.
  GATUN_DEVICE bool aligned() const { return t.aligned != 0 && gradient.in_vectors() && range.begin % kVector<T> == 0; }
  GATUN_DEVICE bool idle() const { return gradient.address == nullptr; }
  GATUN_DEVICE T* at(void* base) const { return static_cast<T*>(base) + range.begin; }
  GATUN_DEVICE Elements<T> gradients() const { return gradient + range.begin; }
  GATUN_DEVICE uint16_t* half() const { return t.half + range.begin; }
  // Of the rows in this chunk. In a chunk of a cut row, and where there is nothing to take off, all elements are of one
  // row.
  GATUN_DEVICE RowMeans<T> means(const Tables& tables, bool centered) const {
    if (!centered) return {{reinterpret_cast<const Pack<T, 2>*>(tables.zero), uint32_t(kChunk)}};
    return {rows_of(static_cast<const Pack<T, 2>*>(t.means))};
  }
  GATUN_DEVICE RowFactors<T> factors() const { return {rows_of(static_cast<const T*>(t.drop))}; }

  template <class Value>
  GATUN_DEVICE Rows<Value> rows_of(const Value* all) const {
    return {all + range.begin / t.geometry.row_length,
            uint32_t(t.geometry.cuts_rows() ? kChunk : t.geometry.row_length)};
  }
};

// Before the rule: slow weights and averages begin as the weights before the first step.
template <class T>
GATUN_DEVICE void begin_averages(const Tables& tables, int64_t chunk) {
  const auto place = Place<T>::of(tables, chunk);
  for (int a = 0; place.step.begins >> a != 0; ++a)
    if (place.step.begins >> a & 1)
      begin_average(place.at(place.t.weight), place.at(place.t.state[place.group.average_slot + a]),
                    int(place.range.length), place.aligned());
}

// After the rule. The averages' passes find in the cache what the rule's has just written.
template <class T>
GATUN_DEVICE void follow_averages(const Tables& tables, int64_t chunk) {
  const auto place = Place<T>::of(tables, chunk);
  for (int a = 0; place.step.acts >> a != 0; ++a)
    if (place.step.acts >> a & 1)
      follow(place.group.averages[a].kind != GATUN_LOOKAHEAD, T(place.step.parts[a]), place.at(place.t.weight),
             place.at(place.t.state[place.group.average_slot + a]), int(place.range.length), place.aligned());
}

// A weight of BF16 or F16: before the first step its master begins as it; after the averages it becomes the rounding of
// its master, which the same thread has just written.
template <class T>
GATUN_DEVICE void begin_master(const Tables& tables, int64_t chunk) {
  if constexpr (Elements<T>::kMayBeHalf) {
    const auto place = Place<T>::of(tables, chunk);
    if ((place.step.master & kMasterBegins) != 0)
      widen_weights(place.group.weight_dtype, place.half(), place.at(place.t.weight), int(place.range.length),
                    place.aligned());
  }
}
template <class T>
GATUN_DEVICE void round_weights(const Tables& tables, int64_t chunk) {
  if constexpr (Elements<T>::kMayBeHalf) {
    const auto place = Place<T>::of(tables, chunk);
    const GroupEntry& group = place.group;
    if ((place.step.master & kMasterMoves) != 0)
      round_masters({group.seed, place.t.number, place.step.group_step, group.weight_dtype, group.rounding},
                    place.at(place.t.weight), place.half(), place.range.begin, int(place.range.length),
                    place.aligned());
  }
}

template <class R, int variant, class T>
GATUN_DEVICE void apply_rule(const Tables& tables, int64_t chunk) {
  using Coefficients = typename R::template Coefficients<T>;
  const auto place = Place<T>::of(tables, chunk);
  if (place.idle()) return;
  const TensorEntry& t = place.t;
  FactorsOf<R, T> factors{};
  if constexpr (R::kInputs) factors = ChannelFactors<T>::of(tables, t, place.range.begin);
  if constexpr (R::kRows) factors = place.factors();
  update_chunk<R, variant>(
      *reinterpret_cast<const Coefficients*>(tables.coefficients + int64_t(place.tensor) * kCoefficientsBytes),
      place.at(t.weight), place.gradients(), t.state, place.range.begin, int(place.range.length), place.aligned(),
      T(place.step.scale), place.means(tables, place.step.centered != 0), factors, R::swaps(*t.steps),
      (tables.flags & GATUN_ZERO_GRADIENTS) != 0);
}

template <class R, int variant, class T>
GATUN_DEVICE void step_chunk(const Tables& tables, int64_t chunk) {
  begin_master<T>(tables, chunk);
  begin_averages<T>(tables, afresh(chunk));
  apply_rule<R, variant, T>(tables, afresh(chunk));
  follow_averages<T>(tables, afresh(chunk));
  round_weights<T>(tables, afresh(chunk));
}

// A refused step changes nothing, but gradients that are to be zero become it.
template <class T>
GATUN_DEVICE void zero_chunk(const Tables& tables, int64_t chunk) {
  const auto place = Place<T>::of(tables, chunk);
  if (place.idle()) return;
  const Elements<T> gradient = place.gradients();
  for (int i = thread_index(); i < int(place.range.length); i += kThreads) gradient.template clear<1>(i);
}

// Five arrays (AMSGrad), four in double or beside the factors of rows (AdamP) are more than 64 registers hold; they
// also have as many bytes on their way with three blocks as the others with four. Six in double (AdaPNM's AMSGrad) need
// more than 80, and have with two.
template <class R, int variant, class T>
constexpr int kBlocksOf = sizeof(T) == 8 && kSlotsOf<R, variant> > 3 ? 2
                          : sizeof(T) == 8 || kSlotsOf<R, variant> > 2 || R::kInputs ||
                                  (R::kRows && kSlotsOf<R, variant> > 1)
                              ? 3
                              : 4;

// Backwards: what the reduction has read last is still in L2 (PERFORMANCE: 1 to 2 bytes per parameter of 32).
template <class R, int variant, class T>
GATUN_KERNEL_OF((kBlocksOf<R, variant, T>))
k_apply(const Tables tables) {
  const bool refused = tables.report->skipped != 0;
  if (refused && (tables.flags & GATUN_ZERO_GRADIENTS) == 0) return;
  for (int64_t chunk = tables.end_chunk - 1 - block_index(); chunk >= tables.first_chunk; chunk -= block_count()) {
    if (refused)
      zero_chunk<T>(tables, chunk);
    else
      step_chunk<R, variant, T>(tables, chunk);
  }
}

}  // namespace gatun
