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

// The loop over a rule; read(i) is its gradient. Indices are size_t: with 32 bits base + i may wrap, and g++ then loads
// every lane by itself.
template <class R, int variant, class T, class Read>
GATUN_HD void update_loop(const typename R::template Coefficients<T>& c, T* __restrict w, T* __restrict s0,
                          T* __restrict s1, T* __restrict s2, size_t n, Read read) {
  constexpr int kSlots = R::slots(variant);
  static_assert(kSlots <= 3);
  GATUN_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    T s[3] = {kSlots > 0 ? s0[i] : T(0), kSlots > 1 ? s1[i] : T(0), kSlots > 2 ? s2[i] : T(0)};
    T x = w[i];
    R::template update<variant>(c, read(i), x, s);
    w[i] = x;
    if (kSlots > 0) s0[i] = s[0];
    if (kSlots > 1) s1[i] = s[1];
    if (kSlots > 2) s2[i] = s[2];
  }
}

template <class R, int variant, class T>
struct UpdateOf {
  using Coefficients = typename R::template Coefficients<T>;

  static T* slot(void* const* state, int k) { return k < R::slots(variant) ? static_cast<T*>(state[k]) : nullptr; }

  static void plain(const void* coefficients, void* weight, const void* gradient, void* const* state, size_t n) {
    const Coefficients c = *static_cast<const Coefficients*>(coefficients);
    const T* __restrict g = static_cast<const T*>(gradient);
    update_loop<R, variant>(
        c, static_cast<T*>(weight), slot(state, 0), slot(state, 1), slot(state, 2),
        n, [=](size_t i) __attribute__((always_inline)) { return g[i]; });
  }

  static void affine(const void* coefficients, void* weight, const void* gradient, void* const* state, size_t n,
                     const Affine& affine) {
    const Coefficients c = *static_cast<const Coefficients*>(coefficients);
    const T* __restrict g = static_cast<const T*>(gradient);
    T *w = static_cast<T*>(weight), *s0 = slot(state, 0), *s1 = slot(state, 1), *s2 = slot(state, 2);
    const T scale = T(affine.scale);
    if (affine.hi == nullptr) {
      update_loop<R, variant>(
          c, w, s0, s1, s2, n, [=](size_t i) __attribute__((always_inline)) { return scaled(g[i], scale); });
      return;
    }
    const T *hi = static_cast<const T*>(affine.hi), *lo = static_cast<const T*>(affine.lo);
    for (size_t i = 0, end = size_t(affine.row_length - affine.first); i < n; ++hi, ++lo) {
      const size_t take = (end < n ? end : n) - i;
      const T a = *hi, b = *lo;
      const T* __restrict row = g + i;
      update_loop<R, variant>(
          c, w + i, s0 ? s0 + i : s0, s1 ? s1 + i : s1, s2 ? s2 + i : s2,
          take, [=](size_t j) __attribute__((always_inline)) { return standardized(row[j], a, b, scale); });
      i += take, end += size_t(affine.row_length);
    }
  }
};

template <class R, class T, int variant = 0>
Updates find_variant(int32_t wanted) {
  if constexpr (variant == R::kVariants) {
    return {};
  } else {
    using U = UpdateOf<R, variant, T>;
    return wanted == variant ? Updates{&U::plain, &U::affine} : find_variant<R, T, variant + 1>(wanted);
  }
}
template <class T>
Updates find_update(int32_t rule, int32_t variant) {
  return visit_rule(rule, [&](auto r) -> Updates { return find_variant<decltype(r), T>(variant); });
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
constexpr Kernels kTable = {&squares<T>,   &rows<T>,        &row_part<T>, &split<T>, &lookahead_block<T>,
                            &ema_block<T>, &find_update<T>, &finalize<T>, &traffic};

}  // namespace

const Kernels* table(int32_t dtype);
const Kernels* table(int32_t dtype) { return dtype == GATUN_F64 ? &kTable<double> : &kTable<float>; }

GATUN_RULES_END
