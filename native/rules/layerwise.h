// layerwise.h - LAdam and LAdaBelief (Zhang et al., 2203.13273): one step size for a whole tensor, from the mean of the
// second moments' increments ("pre", the authors' code) or from the mean of the step sizes themselves ("post", which
// the abstract names and no code has: a reconstruction).
//
//   x = g (LAdam), g - m with this step's m (LAdaBelief);   m = m + (1-beta1)(g - m)
//   pre:   v = beta2 v + (1-beta2) mean(x^2) + eps, one scalar;  w = w - drop w - lr/bc1 sqrt(bc2)/sqrt(v) m
//   post:  v = v + (1-beta2)(x^2 - v) + eps, elementwise;        w = w - drop w - lr/bc1 mean(sqrt(bc2)/sqrt(v)) m
#pragma once
#include "step.h"

GATUN_RULES_BEGIN

// Belief: whether x is g - m.
template <class A, bool belief>
struct LayerwiseMoment : RuleDefaults {
  using Arguments = A;
  enum { kPre, kPost, kVariants };

  static int variant(const Arguments& a) { return a.post ? kPost : kPre; }
  static constexpr int slots(int variant) { return variant == kPost ? 2 : 1; }
  static constexpr int scalars(int variant) { return variant == kPost ? 0 : 1; }
  static constexpr int sums(int) { return 1; }

  template <class T>
  struct Before {
    T fresh1, fresh2, eps, root, l2;
  };

  template <class T>
  static GATUN_HD Before<T> before(const Arguments& a, const StepScalars& step) {
    return {T(1 - a.beta1), T(1 - a.beta2), T(a.eps), T(1 / sqrt_(1 - power(a.beta2, step.t))),
            T(decay_factors(a.decay, a.weight_decay, step).l2)};
  }

  template <class T>
  static GATUN_HD bool weighs(const Before<T>& c) {
    return c.l2 != 0;
  }

  template <int variant, class T>
  static GATUN_HD void factors(const Before<T>& c, T g, T w, const T* state, T* a, T* b) {
    g = fma_(c.l2, w, g);
    const T x = belief ? g - fma_(c.fresh1, g - state[0], state[0]) : g;
    if constexpr (variant == kPre) {
      a[0] = b[0] = x;
    } else {
      const T v = fma_(c.fresh2, fma_(x, x, -state[1]), state[1]) + c.eps;
      a[0] = T(1) / (sqrt_(v) * c.root);
      b[0] = T(1);
    }
  }

  template <class T>
  struct Coefficients {
    T fresh1, fresh2, eps, rate, l2, drop;
  };

  template <class T>
  static GATUN_HD Coefficients<T> finalize(const Arguments& a, const StepScalars& step) {
    const double mean = step.length > 0 ? step.sums[0] / step.length : 0, lr = step.lr / (1 - power(a.beta1, step.t));
    double size = mean;
    if (!a.post) {
      double& v = *step.scalars;
      v = a.beta2 * v + (1 - a.beta2) * mean + a.eps;
      size = sqrt_(1 - power(a.beta2, step.t)) / sqrt_(v);
    }
    const DecayFactors decay = decay_factors(a.decay, a.weight_decay, step);
    return {T(1 - a.beta1), T(1 - a.beta2), T(a.eps), T(lr * size), T(decay.l2), T(decay.drop)};
  }

  template <int variant, class T>
  static GATUN_HD void update(const Coefficients<T>& c, T g, T& w, T* state) {
    T& m = state[0];
    g = fma_(c.l2, w, g);
    m = fma_(c.fresh1, g - m, m);
    if constexpr (variant == kPost) {
      T& v = state[1];
      const T x = belief ? g - m : g;
      v = fma_(c.fresh2, fma_(x, x, -v), v) + c.eps;
    }
    w = moved(w, c.drop, c.rate, m);
  }
};

template <>
struct Rule<GATUN_RULE_LADAM> : LayerwiseMoment<gatun_ladam, false> {};
template <>
struct Rule<GATUN_RULE_LADABELIEF> : LayerwiseMoment<gatun_ladabelief, true> {};

GATUN_RULES_END
