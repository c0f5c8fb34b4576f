// reduce.h - the sums of a chunk, in the order that rules/geometry.h defines.
#pragma once
#include "vector.h"  // before the formulas: they find its fma_ by its declaration
//
#include "rules/moments.h"
#include "rules/power.h"

GATUN_RULES_BEGIN

constexpr size_t kRegisters = kLanes / kWidth;

// The tree over 32 lanes: 16 + 16, 8 + 8, ... 1 + 1.
GATUN_HD double tree(const Doubles* lanes) {
  double x[kLanes];
  memcpy(x, lanes, sizeof x);
  for (size_t half = kLanes / 2; half > 0; half /= 2)
    for (size_t l = 0; l < half; ++l) x[l] = x[l] + x[l + half];
  return x[0];
}

// Calls body(register index, vector of elements) over n elements. The tail is padded with `empty`, which must leave its
// lanes as they are. With accumulators in registers this reads as fast as a loop that only reads (Zen 4: 66 % of what a
// loop that also writes moves); prefetching 1 to 16 KiB ahead changed nothing or cost up to a quarter.
template <class T, class Body>
GATUN_HD void over_lanes(const T* g, size_t n, T empty, Body body) {
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
#pragma GCC unroll 16
    for (size_t r = 0; r < kRegisters; ++r) body(r, load(g + i + r * kWidth));
  }
  if (i < n) {
    T tail[kLanes];
    for (size_t l = 0; l < size_t(kLanes); ++l) tail[l] = i + l < n ? g[i + l] : empty;
#pragma GCC unroll 16
    for (size_t r = 0; r < kRegisters; ++r) body(r, load(tail + r * kWidth));
  }
}

template <class T>
GATUN_HD Moments row_moments(const T* g, size_t n) {
  const T first = g[0];
  const Doubles shift = double(first) - Doubles{};
  Doubles s[kRegisters] = {}, q[kRegisters] = {};
  over_lanes(
      g, n,
      first, [&](size_t r, Doubles x) __attribute__((always_inline)) { accumulate_centered(x, shift, s[r], q[r]); });
  return Moments::of(double(n), double(first), tree(s), tree(q));
}

template <class T>
GATUN_HD double sum_of_squares(const T* g, size_t n) {
  Doubles q[kRegisters] = {};
  over_lanes(
      g, n, T(0), [&](size_t r, Doubles x) __attribute__((always_inline)) { accumulate_square(x, q[r]); });
  return tree(q);
}

template <bool absolute, class T>
GATUN_HD double sum_of_powers(const T* x, size_t planes, size_t stride, size_t n) {
  Doubles q[kRegisters] = {};
  for (size_t p = 0; p < planes; ++p)
    over_lanes(
        x + p * stride, n,
        T(0), [&](size_t r, Doubles v) __attribute__((always_inline)) { accumulate_power<absolute>(v, q[r]); });
  return tree(q);
}

GATUN_RULES_END
