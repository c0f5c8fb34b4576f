// trust.h - steps scaled by the ratio of weight and update norms: LAMB (You et al., 1904.00962, bias-corrected) and
// LARS (You et al., 1708.03888, as apex and as BYOL have it). Tensors flagged "no decay" get neither decay nor ratio.
//
//   LAMB:  u = m/bc1 / (sqrt(v/bc2) + eps) + decay w;   w = w - lr |w|/|u| u
//   LARS:  apex: q = eta |w| / (|g| + decay |w| + eps);   byol: q = eta |w| / |g + decay w|
//          d = q (g + decay w);   b = momentum b + d;   w = w - lr b, or lr (d + momentum b) (Nesterov)
#pragma once
#include "step.h"

GATUN_RULES_BEGIN

template <>
struct Rule<GATUN_RULE_LAMB> : RuleDefaults {
  using Arguments = gatun_lamb;
  enum { kVariants = 1 };

  static int variant(const Arguments&) { return 0; }
  static constexpr int slots(int) { return 2; }
  static constexpr int sums(int) { return 2; }

  template <class T>
  struct Before {
    T fresh1, fresh2, unbias, root, eps, decay;
  };

  template <class T>
  static GATUN_HD Before<T> before(const Arguments& a, const StepScalars& step) {
    return {T(1 - a.beta1),
            T(1 - a.beta2),
            T(1 / (1 - power(a.beta1, step.t))),
            T(1 / sqrt_(1 - power(a.beta2, step.t))),
            T(a.eps),
            T(step.decay ? a.weight_decay : 0)};
  }

  template <class T>
  static GATUN_HD T direction(const Before<T>& c, T g, T w, T& m, T& v) {
    m = fma_(c.fresh1, g - m, m);
    v = fma_(c.fresh2, fma_(g, g, -v), v);
    return fma_(c.decay, w, m * c.unbias / fma_(sqrt_(v), c.root, c.eps));
  }

  // |w|^2 and |u|^2; the update computes u again, so that reducing writes nothing.
  template <int, class T>
  static GATUN_HD void factors(const Before<T>& c, T g, T w, const T* state, T* a, T* b) {
    T m = state[0], v = state[1];
    a[0] = b[0] = w;
    a[1] = b[1] = direction(c, g, w, m, v);
  }

  template <class T>
  struct Coefficients {
    Before<T> before;
    T rate;
  };

  template <class T>
  static GATUN_HD Coefficients<T> finalize(const Arguments& a, const StepScalars& step) {
    double ratio = 1;
    if (step.decay && (a.weight_decay != 0 || a.always_adapt) && step.sums[0] > 0 && step.sums[1] > 0) {
      ratio = sqrt_(step.sums[0]) / sqrt_(step.sums[1]);
      if (a.trust_clip && ratio > 1) ratio = 1;
    }
    return {before<T>(a, step), T(step.lr * ratio)};
  }

  template <int, class T>
  static GATUN_HD void update(const Coefficients<T>& c, T g, T& w, T* state) {
    w = fma_(-c.rate, direction(c.before, g, w, state[0], state[1]), w);
  }
};

template <>
struct Rule<GATUN_RULE_LARS> : RuleDefaults {
  using Arguments = gatun_lars;
  enum { kPlain, kMomentum, kNesterov, kVariants };

  static int variant(const Arguments& a) { return a.momentum == 0 ? kPlain : a.nesterov ? kNesterov : kMomentum; }
  static constexpr int slots(int variant) { return variant == kPlain ? 0 : 1; }
  static constexpr int sums(int) { return 2; }

  template <class T>
  struct Before {
    T decay;  // byol measures the gradient with its decay
  };

  template <class T>
  static GATUN_HD Before<T> before(const Arguments& a, const StepScalars& step) {
    return {T(a.byol && step.decay ? a.weight_decay : 0)};
  }

  template <int, class T>
  static GATUN_HD void factors(const Before<T>& c, T g, T w, const T*, T* a, T* b) {
    a[0] = b[0] = w;
    a[1] = b[1] = fma_(c.decay, w, g);
  }

  template <class T>
  struct Coefficients {
    T ratio, decay, momentum, lr;
  };

  template <class T>
  static GATUN_HD Coefficients<T> finalize(const Arguments& a, const StepScalars& step) {
    double ratio = 1;
    if (step.decay) {
      const double w = sqrt_(step.sums[0]), g = sqrt_(step.sums[1]);
      if (w > 0 && g > 0) ratio = a.eta * w / (a.byol ? g : g + a.weight_decay * w + a.eps);
      if (a.clip) ratio = ratio < step.lr ? ratio / step.lr : 1;  // LARC; also right for a learning rate of 0
    }
    return {T(ratio), T(step.decay ? a.weight_decay : 0), T(a.momentum), T(step.lr)};
  }

  template <int variant, class T>
  static GATUN_HD void update(const Coefficients<T>& c, T g, T& w, T* state) {
    const T d = c.ratio * fma_(c.decay, w, g);
    T u = d;
    if constexpr (variant != kPlain) {
      T& b = state[0];
      b = fma_(c.momentum, b, d);
      u = variant == kNesterov ? fma_(c.momentum, b, d) : b;
    }
    w = fma_(-c.lr, u, w);
  }
};

GATUN_RULES_END
