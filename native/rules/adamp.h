// adamp.h - AdamP and SGDP (Heo et al., 2006.08217, the authors' code): where the gradient is nearly orthogonal to the
// weights, as it is before a normalization, the step loses its part along them and the decay most of itself.
//
//   AdamP:  m and v as in Adam;  u = m / (sqrt(v)/sqrt(bc2) + eps), or (beta1 m + (1-beta1) g) / (...) (Nesterov)
//           rate = lr/bc1, decay = lr weight_decay
//   SGDP:   b = momentum b + (1 - dampening) g;  u = b, or g + momentum b (Nesterov)
//           rate = lr, decay = lr weight_decay / (1 - momentum)
//   view:   rows, if |cos(g, w)| < delta/sqrt(row length) in all of them, else the tensor, if in it, else none
//   w = w (1 - decay [wd_ratio]) - rate (u - [w <w,u> / (|w| + eps)^2])       [...] only with a view, norms by its
//   parts
//
// The authors' SGDP without Nesterov projects its momentum with the step, as one is an alias of the other; here, as in
// the paper, the momentum stays.
#pragma once
#include "step.h"

GATUN_RULES_BEGIN

// What both share: sums |w|^2, <g,w>, |g|^2, <w,u> of rows, and what is made of them.
template <class R, class A>
struct Projected : RuleDefaults {
  using Arguments = A;
  static constexpr bool kRows = true;
  static constexpr int sums(int) { return 4; }

  // |cos(g, w)|; norms whose product is below eps count as eps.
  static GATUN_HD double measure(const A& a, const double* sums) {
    const double dot = sums[1] < 0 ? -sums[1] : sums[1];
    return dot / sqrt_(max_(a.eps * a.eps, sums[0] * sums[2]));
  }

  struct Dropping {
    bool by_row;
    double whole;  // the part that all rows lose; where each loses its own, without what a view gives back
    double rate, eps;

    GATUN_HD double viewed(const double* sums) const {
      const double norm = sqrt_(sums[0]) + eps, along = sums[0] > 0 ? sums[3] / (norm * norm) : 0;
      return whole - rate * along;
    }
  };

  static GATUN_HD Dropping dropping(const A& a, const StepScalars& step) {
    const double decay = step.decay ? R::decay(a, step) : 0;
    const bool rows = step.row_length > 0 && step.largest < a.delta / sqrt_(step.row_length);
    const bool tensor = step.row_length > 0 && !rows && measure(a, step.sums) < a.delta / sqrt_(step.length);
    if (!rows && !tensor) return {false, decay, 0, a.eps};
    Dropping dropping{rows, decay * a.wd_ratio, R::rate(a, step), a.eps};
    if (tensor) dropping.whole = dropping.viewed(step.sums);
    return dropping;
  }

  static GATUN_HD double drop(const Dropping& dropping, const double* row) {
    return dropping.by_row ? dropping.viewed(row) : dropping.whole;
  }
};

template <>
struct Rule<GATUN_RULE_ADAMP> : Projected<Rule<GATUN_RULE_ADAMP>, gatun_adamp> {
  enum { kPlain, kNesterov, kVariants };

  static int variant(const gatun_adamp& a) { return a.nesterov ? kNesterov : kPlain; }
  static constexpr int slots(int) { return 2; }

  static GATUN_HD double rate(const gatun_adamp& a, const StepScalars& step) {
    return step.lr / (1 - power(a.beta1, step.t));
  }
  static GATUN_HD double decay(const gatun_adamp& a, const StepScalars& step) { return step.lr * a.weight_decay; }

  template <class T>
  struct Before {
    T beta1, fresh1, fresh2, root, eps;
  };

  template <class T>
  static GATUN_HD Before<T> before(const gatun_adamp& a, const StepScalars& step) {
    return {T(a.beta1), T(1 - a.beta1), T(1 - a.beta2), T(1 / sqrt_(1 - power(a.beta2, step.t))), T(a.eps)};
  }

  template <int variant, class T>
  static GATUN_HD T direction(const Before<T>& c, T g, T& m, T& v) {
    m = fma_(c.fresh1, g - m, m);
    v = fma_(c.fresh2, fma_(g, g, -v), v);
    const T d = fma_(sqrt_(v), c.root, c.eps);
    if constexpr (variant == kNesterov) return fma_(c.beta1, m, c.fresh1 * g) / d;
    return m / d;
  }

  // The update computes u again, so that reducing writes nothing.
  template <int variant, class T>
  static GATUN_HD void factors(const Before<T>& c, T g, T w, const T* state, T* a, T* b) {
    T m = state[0], v = state[1];
    a[0] = b[0] = b[1] = a[3] = w;
    a[1] = a[2] = b[2] = g;
    b[3] = direction<variant>(c, g, m, v);
  }

  template <class T>
  struct Coefficients {
    Before<T> before;
    T rate;
  };

  template <class T>
  static GATUN_HD Coefficients<T> finalize(const gatun_adamp& a, const StepScalars& step) {
    return {before<T>(a, step), T(rate(a, step))};
  }

  template <int variant, class T>
  static GATUN_HD void update(const Coefficients<T>& c, T g, T& w, T* state, T drop) {
    w = moved(w, drop, c.rate, direction<variant>(c.before, g, state[0], state[1]));
  }
};

template <>
struct Rule<GATUN_RULE_SGDP> : Projected<Rule<GATUN_RULE_SGDP>, gatun_sgdp> {
  enum { kPlain, kMomentum, kNesterov, kVariants };

  static int variant(const gatun_sgdp& a) { return a.momentum == 0 ? kPlain : a.nesterov ? kNesterov : kMomentum; }
  static constexpr int slots(int variant) { return variant == kPlain ? 0 : 1; }

  static GATUN_HD double rate(const gatun_sgdp&, const StepScalars& step) { return step.lr; }
  static GATUN_HD double decay(const gatun_sgdp& a, const StepScalars& step) {
    return step.lr * a.weight_decay / (1 - a.momentum);
  }

  template <class T>
  struct Before {
    T momentum, fresh;
  };

  template <class T>
  static GATUN_HD Before<T> before(const gatun_sgdp& a, const StepScalars&) {
    return {T(a.momentum), T(1 - a.dampening)};
  }

  template <int variant, class T>
  static GATUN_HD T direction(const Before<T>& c, T g, T& b) {
    b = fma_(c.momentum, b, c.fresh * g);
    if constexpr (variant == kNesterov) return fma_(c.momentum, b, g);
    return b;
  }

  template <int variant, class T>
  static GATUN_HD void factors(const Before<T>& c, T g, T w, const T* state, T* a, T* b) {
    T buffer = variant == kPlain ? T(0) : state[0];
    a[0] = b[0] = b[1] = a[3] = w;
    a[1] = a[2] = b[2] = g;
    b[3] = direction<variant>(c, g, buffer);
  }

  template <class T>
  struct Coefficients {
    Before<T> before;
    T rate;
  };

  template <class T>
  static GATUN_HD Coefficients<T> finalize(const gatun_sgdp& a, const StepScalars& step) {
    return {before<T>(a, step), T(step.lr)};
  }

  template <int variant, class T>
  static GATUN_HD void update(const Coefficients<T>& c, T g, T& w, T* state, T drop) {
    T none = 0;
    w = moved(w, drop, c.rate, direction<variant>(c.before, g, variant == kPlain ? none : state[0]));
  }
};

GATUN_RULES_END
