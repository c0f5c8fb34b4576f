// kernels.cpp - the CPU backend's loops. Compiled once for each instruction set, with GATUN_ISA naming it; everything
// lives in that instruction set's namespace, so that no object can borrow another's code.
#ifndef GATUN_ISA
#error "define GATUN_ISA as scalar, avx2 or avx512"
#endif
#define GATUN_TARGET GATUN_ISA
#include "kernels.h"

#include "reduce.h"
#include "rules/average.h"
#include "rules/gradient.h"
#include "rules/rules.h"

// Arrays never overlap: the Java side checks it.
#define GATUN_INDEPENDENT _Pragma("GCC ivdep")

GATUN_RULES_BEGIN

namespace {

template <class T>
void squares(const void* gradient, int64_t n, Partial* partial) {
  *partial = {0, 0, sum_of_squares(static_cast<const T*>(gradient), size_t(n))};
}

template <class T>
void rows(const void* gradient, int64_t count, int64_t row_length, void* hi, void* lo, Partial* partial) {
  double m2 = 0, squares = 0;
  for (int64_t r = 0; r < count; ++r) {
    const Moments row = row_moments(static_cast<const T*>(gradient) + r * row_length, size_t(row_length));
    split_mean(row.mean, static_cast<T*>(hi)[r], static_cast<T*>(lo)[r]);
    m2 = m2 + row.m2;
    squares = squares + row.squares();
  }
  *partial = {0, m2, squares};
}

template <class T>
void row_part(const void* gradient, int64_t n, Partial* partial) {
  const Moments part = row_moments(static_cast<const T*>(gradient), size_t(n));
  *partial = {part.mean, part.m2, 0};
}

template <class T>
void split(double mean, void* hi, void* lo) {
  split_mean(mean, *static_cast<T*>(hi), *static_cast<T*>(lo));
}

template <class T>
void scale_block(const void* gradient, void* out, double factor, size_t n) {
  const T* __restrict g = static_cast<const T*>(gradient);
  T* __restrict h = static_cast<T*>(out);
  const T scale = T(factor);
  GATUN_INDEPENDENT
  for (size_t i = 0; i < n; ++i) h[i] = scaled(g[i], scale);
}

template <class T>
void standardize_block(const void* gradient, void* out, double factor, const void* his, const void* los, int64_t first,
                       int64_t row_length, size_t n) {
  const T* __restrict g = static_cast<const T*>(gradient);
  T* __restrict h = static_cast<T*>(out);
  const T* hi = static_cast<const T*>(his);
  const T* lo = static_cast<const T*>(los);
  const T scale = T(factor);
  size_t row_left = size_t(row_length - first);
  while (n > 0) {
    const size_t take = row_left < n ? row_left : n;
    const T a = *hi++, b = *lo++;
    GATUN_INDEPENDENT
    for (size_t i = 0; i < take; ++i) h[i] = standardized(g[i], a, b, scale);
    g += take, h += take, n -= take;
    row_left = size_t(row_length);
  }
}

template <class T>
void lookahead_block(void* weight, void* slow_weight, double alpha, size_t n) {
  T* __restrict w = static_cast<T*>(weight);
  T* __restrict slow = static_cast<T*>(slow_weight);
  const T a = T(alpha);
  GATUN_INDEPENDENT
  for (size_t i = 0; i < n; ++i) lookahead(w[i], slow[i], a);
}

template <class T>
void ema_block(const void* weight, void* average, double fresh, size_t n) {
  const T* __restrict w = static_cast<const T*>(weight);
  T* __restrict e = static_cast<T*>(average);
  const T f = T(fresh);
  GATUN_INDEPENDENT
  for (size_t i = 0; i < n; ++i) ema(w[i], e[i], f);
}

// The loop over a rule. Indices are size_t: with 32 bits base + i may wrap, and g++ then loads every lane by itself.
template <class R, int variant, class T>
void update_block(const void* coefficients, void* weight, const void* gradient, void* const* state, size_t n) {
  constexpr int kSlots = R::slots(variant);
  const auto c = *static_cast<const typename R::template Coefficients<T>*>(coefficients);
  T* __restrict w = static_cast<T*>(weight);
  const T* __restrict g = static_cast<const T*>(gradient);
  T* __restrict s0 = kSlots > 0 ? static_cast<T*>(state[0]) : nullptr;
  T* __restrict s1 = kSlots > 1 ? static_cast<T*>(state[1]) : nullptr;
  T* __restrict s2 = kSlots > 2 ? static_cast<T*>(state[2]) : nullptr;
  static_assert(kSlots <= 3);
  GATUN_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    T s[3] = {kSlots > 0 ? s0[i] : T(0), kSlots > 1 ? s1[i] : T(0), kSlots > 2 ? s2[i] : T(0)};
    T x = w[i];
    R::template update<variant>(c, g[i], x, s);
    w[i] = x;
    if (kSlots > 0) s0[i] = s[0];
    if (kSlots > 1) s1[i] = s[1];
    if (kSlots > 2) s2[i] = s[2];
  }
}

template <class R, class T, int variant = 0>
Update find_variant(int32_t wanted) {
  if constexpr (variant == R::kVariants) {
    return nullptr;
  } else {
    return wanted == variant ? &update_block<R, variant, T> : find_variant<R, T, variant + 1>(wanted);
  }
}
template <class T>
Update find_update(int32_t rule, int32_t variant) {
  return visit_rule(rule, [&](auto r) -> Update { return find_variant<decltype(r), T>(variant); });
}

template <class T>
void finalize(int32_t rule, const void* arguments, int64_t t, double lr, bool decay, void* coefficients) {
  visit_rule(rule, [&](auto r) {
    using R = decltype(r);
    using Coefficients = typename R::template Coefficients<T>;
    static_assert(sizeof(Coefficients) <= kCoefficientBytes);
    const auto c =
        R::template finalize<T>(*static_cast<const typename R::Arguments*>(arguments), StepScalars{t, lr, decay});
    memcpy(coefficients, &c, sizeof c);
  });
}

// What is read only is mixed in under a mask that is 0 but that the compiler cannot see through.
template <int readonly, int written>
void traffic_loop(void* const* arrays, size_t begin, size_t n) {
  static volatile uint32_t hidden = 0;
  const uint32_t mask = hidden;
  uint32_t* w[written + 1];
  const uint32_t* r[readonly + 1];
  for (int k = 0; k < written; ++k) w[k] = static_cast<uint32_t*>(arrays[k]) + begin;
  for (int k = 0; k < readonly; ++k) r[k] = static_cast<const uint32_t*>(arrays[written + k]) + begin;
  GATUN_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    uint32_t x = 0;
    for (int k = 0; k < readonly; ++k) x ^= r[k][i];
    for (int k = 0; k < written; ++k) w[k][i] ^= x & mask;
  }
}
template <int readonly, int written>
void pick_traffic(void* const* arrays, int32_t r, int32_t w, size_t begin, size_t n) {
  if (w != written) {
    if constexpr (written < GATUN_MAX_STATE) pick_traffic<readonly, written + 1>(arrays, r, w, begin, n);
  } else if (r != readonly) {
    if constexpr (readonly < 2) pick_traffic<readonly + 1, written>(arrays, r, w, begin, n);
  } else {
    traffic_loop<readonly, written>(arrays, begin, n);
  }
}
void traffic(void* const* arrays, int32_t count, int32_t written, size_t begin, size_t n) {
  pick_traffic<0, 1>(arrays, count - written, written, begin, n);
}

template <class T>
constexpr Kernels kTable = {
    &squares<T>,         &rows<T>,      &row_part<T>,    &split<T>,    &scale_block<T>, &standardize_block<T>,
    &lookahead_block<T>, &ema_block<T>, &find_update<T>, &finalize<T>, &traffic,
};

}  // namespace

const Kernels* table(int32_t dtype);
const Kernels* table(int32_t dtype) { return dtype == GATUN_F64 ? &kTable<double> : &kTable<float>; }

GATUN_RULES_END
