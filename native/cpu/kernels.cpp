// kernels.cpp - the CPU backend's loops. Compiled once for each instruction set, with GATUN_ISA naming it; everything
// lives in that instruction set's namespace, so that no object can borrow another's code.
#ifndef GATUN_ISA
#error "define GATUN_ISA as scalar, avx2 or avx512"
#endif
#define GATUN_TARGET GATUN_ISA
#include "kernels.h"

#include "convert.h"
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
double power_part(const void* input, const PowerPart& part, bool absolute) {
  const T* x = static_cast<const T*>(input) + part.begin;
  const size_t planes = size_t(part.planes), stride = size_t(part.stride), n = size_t(part.length);
  return absolute ? sum_of_powers<true>(x, planes, stride, n) : sum_of_powers<false>(x, planes, stride, n);
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
template <class T>
struct Slots {
  T* __restrict s[4];

  Slots(void* const* state, int n) : s{} {
    for (int k = 0; k < n; ++k) s[k] = static_cast<T*>(state[k]);
  }
};

template <class R, int variant, class T, class Read, class... Drop>
GATUN_HD void update_loop(const typename R::template Coefficients<T>& c, T* __restrict w, const Slots<T>& slots,
                          size_t at, size_t n, Read read, Drop... drop) {
  constexpr int kSlots = R::slots(variant);
  static_assert(kSlots <= 4);
  constexpr auto written = [](int k) { return k < kSlots && !(R::kReadOnly >> k & 1); };
  w += at;
  T* __restrict s0 = kSlots > 0 ? slots.s[0] + at : nullptr;
  T* __restrict s1 = kSlots > 1 ? slots.s[1] + at : nullptr;
  T* __restrict s2 = kSlots > 2 ? slots.s[2] + at : nullptr;
  T* __restrict s3 = kSlots > 3 ? slots.s[3] + at : nullptr;
  GATUN_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    T s[4] = {kSlots > 0 ? s0[i] : T(0), kSlots > 1 ? s1[i] : T(0), kSlots > 2 ? s2[i] : T(0),
              kSlots > 3 ? s3[i] : T(0)};
    T x = w[i];
    R::template update<variant>(c, read(i), x, s, drop...);
    w[i] = x;
    if (written(0)) s0[i] = s[0];
    if (written(1)) s1[i] = s[1];
    if (written(2)) s2[i] = s[2];
    if (written(3)) s3[i] = s[3];
  }
}

template <class R, int variant, class T>
struct UpdateOf {
  using Coefficients = typename R::template Coefficients<T>;

  static void plain(const void* coefficients, void* weight, const void* gradient, void* const* state, size_t n) {
    const Coefficients c = *static_cast<const Coefficients*>(coefficients);
    const T* __restrict g = static_cast<const T*>(gradient);
    update_loop<R, variant>(
        c, static_cast<T*>(weight), Slots<T>(state, R::slots(variant)), 0,
        n, [=](size_t i) __attribute__((always_inline)) { return g[i]; });
  }

  static void affine(const void* coefficients, void* weight, const void* gradient, void* const* state, size_t n,
                     const Affine& affine) {
    const Coefficients c = *static_cast<const Coefficients*>(coefficients);
    const T* __restrict g = static_cast<const T*>(gradient);
    T* w = static_cast<T*>(weight);
    const Slots<T> slots(state, R::slots(variant));
    const T scale = T(affine.scale);
    if (affine.hi == nullptr) {
      update_loop<R, variant>(
          c, w, slots, 0, n, [=](size_t i) __attribute__((always_inline)) { return scaled(g[i], scale); });
      return;
    }
    const T *hi = static_cast<const T*>(affine.hi), *lo = static_cast<const T*>(affine.lo);
    for (size_t i = 0, end = size_t(affine.row_length - affine.first); i < n; ++hi, ++lo) {
      const size_t take = (end < n ? end : n) - i;
      const T a = *hi, b = *lo;
      const T* __restrict row = g + i;
      update_loop<R, variant>(
          c, w, slots, i,
          take, [=](size_t j) __attribute__((always_inline)) { return standardized(row[j], a, b, scale); });
      i += take, end += size_t(affine.row_length);
    }
  }

  static void rows(const void* coefficients, void* weight, const void* gradient, void* const* state, size_t n,
                   const Affine& affine, const void* factors) {
    const Coefficients c = *static_cast<const Coefficients*>(coefficients);
    T* w = static_cast<T*>(weight);
    const Slots<T> slots(state, R::slots(variant));
    const T scale = T(affine.scale);
    const T *hi = static_cast<const T*>(affine.hi), *lo = static_cast<const T*>(affine.lo);
    const T* drop = static_cast<const T*>(factors);
    for (size_t i = 0, end = size_t(affine.row_length - affine.first); i < n; ++drop) {
      const size_t take = (end < n ? end : n) - i;
      const T* __restrict row = static_cast<const T*>(gradient) + i;
      if (hi == nullptr) {
        update_loop<R, variant>(
            c, w, slots, i, take, [=](size_t j) __attribute__((always_inline)) { return scaled(row[j], scale); },
            *drop);
      } else {
        const T a = *hi++, b = *lo++;
        update_loop<R, variant>(
            c, w, slots, i,
            take, [=](size_t j) __attribute__((always_inline)) { return standardized(row[j], a, b, scale); }, *drop);
      }
      i += take, end += size_t(affine.row_length);
    }
  }

  // Row by row, as rows have factors of their own.
  static void factored(const void* coefficients, void* weight, const void* gradient, void* const* state, size_t n,
                       const Affine& affine, const RowFactors& factors) {
    const Coefficients c = *static_cast<const Coefficients*>(coefficients);
    const T* __restrict g = static_cast<const T*>(gradient);
    T* w = static_cast<T*>(weight);
    const Slots<T> slots(state, R::slots(variant));
    const T scale = T(affine.scale);
    const T *hi = static_cast<const T*>(affine.hi), *lo = static_cast<const T*>(affine.lo);
    const size_t row_length = size_t(factors.row_length);
    size_t row = size_t(factors.begin) / row_length, at = size_t(factors.begin) % row_length;
    for (size_t i = 0; i < n; ++row, at = 0) {
      const size_t take = row_length - at < n - i ? row_length - at : n - i;
      const T* __restrict f =
          static_cast<const T*>(factors.values) + row / size_t(factors.rows_per_group) * row_length + at;
      const T* __restrict x = g + i;
      if (hi == nullptr) {
        factored_loop(
            c, w, slots, i, take, f, [=](size_t j) __attribute__((always_inline)) { return scaled(x[j], scale); });
      } else {
        const T a = *hi++, b = *lo++;
        factored_loop(
            c, w, slots, i, take,
            f, [=](size_t j) __attribute__((always_inline)) { return standardized(x[j], a, b, scale); });
      }
      i += take;
    }
  }

  // A rule's factors are formed in registers and their products added as rules/geometry.h says. Where the accumulators
  // of all 32 lanes would need more than 12 registers, the lanes are taken in parts, each in a pass over the chunk.
  static void sums(const void* before, const void* weight, const void* gradient, void* const* state, size_t n,
                   const Affine* affine, double* sums) {
    constexpr int kSums = R::sums(variant), kSlots = R::slots(variant);
    static_assert(kSlots <= 2);
    using Before = typename R::template Before<T>;
    const Before c = *static_cast<const Before*>(before);
    const T* __restrict w = static_cast<const T*>(weight);
    const T* __restrict g = static_cast<const T*>(gradient);
    alignas(64) T transformed[kChunk];
    if (affine != nullptr) {
      transform(g, transformed, n, *affine);
      g = transformed;
    }
    const Slots<T> slots(state, kSlots);
    Doubles q[kSums][kRegisters] = {};
    constexpr size_t kParts = (kSums * kRegisters + 11) / 12, kPart = kRegisters / (kParts > 2 ? 4 : kParts);
    for (size_t r = 0; r < kRegisters; r += kPart) whole_lanes<kSums, kPart>(c, w, g, slots, n, r, q);
    if (const size_t rest = n % size_t(kLanes)) last_lanes<kSums>(c, w, g, slots, n - rest, rest, q);
    for (int k = 0; k < kSums; ++k) sums[k] = tree(q[k]);
  }

  static bool weighs(const void* before) {
    return R::weighs(*static_cast<const typename R::template Before<T>*>(before));
  }

 private:
  template <class Read>
  static GATUN_HD void factored_loop(const Coefficients& c, T* __restrict w, const Slots<T>& slots, size_t at, size_t n,
                                     const T* __restrict factor, Read read) {
    constexpr int kSlots = R::slots(variant);
    static_assert(kSlots <= 1);
    w += at;
    T* __restrict s0 = kSlots > 0 ? slots.s[0] + at : nullptr;
    GATUN_INDEPENDENT
    for (size_t i = 0; i < n; ++i) {
      T s[1] = {kSlots > 0 ? s0[i] : T(0)};
      T x = w[i];
      R::template update<variant>(c, read(i), x, s, factor[i]);
      w[i] = x;
      if (kSlots > 0) s0[i] = s[0];
    }
  }

  // Registers r to r + kPart of every full 32 lanes.
  template <int kSums, size_t kPart, class B>
  static GATUN_HD void whole_lanes(const B& before, const T* __restrict w, const T* __restrict g, const Slots<T>& slots,
                                   size_t n, size_t first, Doubles (&sums)[kSums][kRegisters]) {
    using P = Packed<T>;
    const auto c = broadcast(before);
    Doubles q[kSums][kPart] = {};
    for (size_t i = first * kWidth; i < n / kLanes * kLanes; i += kLanes) {
#pragma GCC unroll 16
      for (size_t r = 0; r < kPart; ++r) {
        const size_t at = i + r * kWidth;
        P s[2] = {}, a[kSums], b[kSums];
        for (int k = 0; k < R::slots(variant); ++k) s[k] = P::load(slots.s[k] + at);
        R::template factors<variant>(c, P::load(g + at), P::load(w + at), s, a, b);
        for (int k = 0; k < kSums; ++k) q[k][r] = fma_(widen(a[k]), widen(b[k]), q[k][r]);
      }
    }
    for (int k = 0; k < kSums; ++k)
      for (size_t r = 0; r < kPart; ++r) sums[k][first + r] = q[k][r];
  }

  // The last elements, fewer than 32; lanes without one get nothing.
  template <int kSums, class B>
  static GATUN_HD void last_lanes(const B& c, const T* __restrict w, const T* __restrict g, const Slots<T>& slots,
                                  size_t at, size_t n, Doubles (&q)[kSums][kRegisters]) {
    T a[kSums][kLanes] = {}, b[kSums][kLanes] = {};
    for (size_t l = 0; l < n; ++l) {
      T s[2] = {}, x[kSums], y[kSums];
      for (int k = 0; k < R::slots(variant); ++k) s[k] = slots.s[k][at + l];
      R::template factors<variant>(c, g[at + l], w[at + l], s, x, y);
      for (int k = 0; k < kSums; ++k) a[k][l] = x[k], b[k][l] = y[k];
    }
    for (int k = 0; k < kSums; ++k)
      for (size_t r = 0; r < kRegisters; ++r) q[k][r] = fma_(load(a[k] + r * kWidth), load(b[k] + r * kWidth), q[k][r]);
  }

  // Coefficients in every element of registers. A rule's Before is nothing but T.
  template <class B>
  static GATUN_HD auto broadcast(const B& before) {
    using Broadcast = typename R::template Before<Packed<T>>;
    constexpr size_t kCount = sizeof before / sizeof(T);
    static_assert(sizeof(Broadcast) == kCount * sizeof(Packed<T>));
    T from[kCount];
    memcpy(from, &before, sizeof before);
    Packed<T> each[kCount];
    for (size_t i = 0; i < kCount; ++i) each[i] = Packed<T>(double(from[i]));
    Broadcast to;
    memcpy(static_cast<void*>(&to), each, sizeof to);
    return to;
  }

  static void transform(const T* __restrict g, T* __restrict h, size_t n, const Affine& affine) {
    const T scale = T(affine.scale);
    if (affine.hi == nullptr) {
      GATUN_INDEPENDENT
      for (size_t i = 0; i < n; ++i) h[i] = scaled(g[i], scale);
      return;
    }
    const T *hi = static_cast<const T*>(affine.hi), *lo = static_cast<const T*>(affine.lo);
    for (size_t i = 0, end = size_t(affine.row_length - affine.first); i < n; ++hi, ++lo) {
      const size_t stop = end < n ? end : n;
      const T a = *hi, b = *lo;
      GATUN_INDEPENDENT
      for (size_t j = i; j < stop; ++j) h[j] = standardized(g[j], a, b, scale);
      i = stop, end += size_t(affine.row_length);
    }
  }
};

template <class R, class T, int variant = 0>
Updates find_variant(int32_t wanted) {
  if constexpr (variant == R::kVariants) {
    return {};
  } else {
    using U = UpdateOf<R, variant, T>;
    if (wanted != variant) return find_variant<R, T, variant + 1>(wanted);
    Updates updates{nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, &R::swaps};
    if constexpr (R::kRows)
      updates.rows = &U::rows;
    else
      updates.plain = &U::plain, updates.affine = &U::affine;
    if constexpr (R::kInputs) updates.factored = &U::factored;
    if constexpr (R::sums(variant) > 0) updates.sums = &U::sums, updates.weighs = &U::weighs;
    return updates;
  }
}
template <class T>
Updates find_update(int32_t rule, int32_t variant) {
  return visit_rule(rule, [&](auto r) -> Updates { return find_variant<decltype(r), T>(variant); });
}

// A tensor's sums, from those of its rows.
template <int sums>
void row_totals(const double* of, int64_t rows, double* totals) {
  for (int k = 0; k < sums; ++k) {
    LaneSum sum;
    for (int64_t i = 0; i < rows; ++i) sum.add(i, of[i * kMaxSums + k]);
    totals[k] = sum.total();
  }
}

StepScalars scalars_of(const RuleStep& s) {
  return {s.t, s.lr, s.decay, s.sums, s.scalars, s.length, s.row_length, 0, s.inverse};
}

template <class T>
void finalize(int32_t rule, const void* arguments, const RuleStep& step, void* coefficients) {
  visit_rule(rule, [&](auto r) {
    using R = decltype(r);
    const auto c = R::template finalize<T>(*static_cast<const typename R::Arguments*>(arguments), scalars_of(step));
    static_assert(sizeof c <= kCoefficientBytes);
    memcpy(coefficients, &c, sizeof c);
  });
}

template <class T>
void finalize_by_row(int32_t rule, const void* arguments, RuleStep step, const double* sums, int64_t rows,
                     void* coefficients, void* drop) {
  visit_rule(rule, [&](auto r) {
    using R = decltype(r);
    if constexpr (R::kRows) {
      const auto& a = *static_cast<const typename R::Arguments*>(arguments);
      double totals[kMaxSums] = {};
      StepScalars s = scalars_of(step);
      s.sums = totals;
      if (step.row_length > 0) {
        row_totals<R::sums(0)>(sums, rows, totals);
        for (int64_t i = 0; i < rows; ++i) s.largest = max_(s.largest, R::measure(a, sums + i * kMaxSums));
      }
      const auto c = R::template finalize<T>(a, s);
      static_assert(sizeof c <= kCoefficientBytes);
      memcpy(coefficients, &c, sizeof c);
      const auto dropping = R::dropping(a, s);
      for (int64_t i = 0; i < rows; ++i) static_cast<T*>(drop)[i] = T(R::drop(dropping, sums + i * kMaxSums));
    }
  });
}

template <class T>
void before(int32_t rule, const void* arguments, const RuleStep& step, void* coefficients) {
  visit_rule(rule, [&](auto r) {
    using R = decltype(r);
    if constexpr (R::sums(0) > 0) {
      const auto c = R::template before<T>(*static_cast<const typename R::Arguments*>(arguments), scalars_of(step));
      static_assert(sizeof c <= kCoefficientBytes);
      memcpy(coefficients, &c, sizeof c);
    }
  });
}

void inverses(int32_t rule, const void* arguments, bool first, int64_t channels, const double* means, double* powers,
              double* inverses) {
  visit_rule(rule, [&](auto r) {
    using R = decltype(r);
    if constexpr (R::kInputs) {
      const auto a = *static_cast<const typename R::Arguments*>(arguments);
      GATUN_INDEPENDENT
      for (int64_t c = 0; c < channels; ++c) inverses[c] = R::inverse(a, means[c], powers[c], first || powers[c] < 0);
    }
  });
}

template <class T>
void spread(const double* inverses, int64_t channels, int64_t repeat, void* factors) {
  T* f = static_cast<T*>(factors);
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t i = 0; i < repeat; ++i) *f++ = T(inverses[c]);
}

// What is read only is mixed in under a mask that is 0 but that the compiler cannot see through; where nothing is
// written, into a number that it must believe somebody reads.
template <int readonly, int written>
void traffic_loop(void* const* arrays, size_t begin, size_t n) {
  static volatile uint32_t hidden = 0;
  const uint32_t mask = hidden;
  uint32_t all = 0;
  uint32_t* w[written + 1];
  const uint32_t* r[readonly + 1];
  for (int k = 0; k < written; ++k) w[k] = static_cast<uint32_t*>(arrays[k]) + begin;
  for (int k = 0; k < readonly; ++k) r[k] = static_cast<const uint32_t*>(arrays[written + k]) + begin;
  GATUN_INDEPENDENT
  for (size_t i = 0; i < n; ++i) {
    uint32_t x = mask;  // also where nothing is only read: a 0 would leave nothing to do
    for (int k = 0; k < readonly; ++k) x ^= r[k][i];
    for (int k = 0; k < written; ++k) w[k][i] ^= x & mask;
    all ^= x;
  }
  if constexpr (written == 0) asm volatile("" : : "r"(all));
}
template <int readonly, int written>
void pick_traffic(void* const* arrays, int32_t r, int32_t w, size_t begin, size_t n) {
  if (w != written) {
    if constexpr (written < GATUN_MAX_STATE) pick_traffic<readonly, written + 1>(arrays, r, w, begin, n);
  } else if (r != readonly) {
    if constexpr (readonly < (written == 0 ? GATUN_MAX_STATE : 2))
      pick_traffic<readonly + 1, written>(arrays, r, w, begin, n);
  } else {
    traffic_loop<readonly, written>(arrays, begin, n);
  }
}
void traffic(void* const* arrays, int32_t count, int32_t written, size_t begin, size_t n) {
  pick_traffic<0, 0>(arrays, count - written, written, begin, n);
}

template <class T>
constexpr Kernels kTable = {
    &squares<T>,   &rows<T>,        &row_part<T>, &split<T>,    &power_part<T>,      &lookahead_block<T>,
    &ema_block<T>, &find_update<T>, &before<T>,   &finalize<T>, &finalize_by_row<T>, &inverses,
    &spread<T>,    &traffic,        &widen,       &narrow};

}  // namespace

const Kernels* table(int32_t dtype);
const Kernels* table(int32_t dtype) { return dtype == GATUN_F64 ? &kTable<double> : &kTable<float>; }

GATUN_RULES_END
