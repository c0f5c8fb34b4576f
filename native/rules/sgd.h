// sgd.h - stochastic gradient descent with momentum, dampening and Nesterov's form.
//
//   g = g + l2 w;   b = g on the tensor's first step, then momentum b + (1 - dampening) g
//   u = b, or g + momentum b (Nesterov), or g (no momentum);   w = w - drop w - lr u
#pragma once
#include "step.h"

GATUN_RULES_BEGIN

template <>
struct Rule<GATUN_RULE_SGD> : RuleDefaults {
  using Arguments = gatun_sgd;
  enum { kPlain, kMomentum, kNesterov, kVariants };

  static int variant(const Arguments& a) { return a.momentum == 0 ? kPlain : a.nesterov ? kNesterov : kMomentum; }
  static constexpr int slots(int variant) { return variant == kPlain ? 0 : 1; }

  template <class T>
  struct Coefficients {
    T momentum, fresh, push, lr, l2, drop;
  };

  template <class T>
  static GATUN_HD Coefficients<T> finalize(const Arguments& a, const StepScalars& step) {
    const bool first = step.t == 1;
    const DecayFactors decay = decay_factors(a.decay, a.weight_decay, step);
    return {T(first ? 0 : a.momentum),
            T(first ? 1 : 1 - a.dampening),
            T(a.momentum),
            T(step.lr),
            T(decay.l2),
            T(decay.drop)};
  }

  template <int variant, class T>
  static GATUN_HD void update(const Coefficients<T>& c, T g, T& w, T* state) {
    g = fma_(c.l2, w, g);
    T u = g;
    if constexpr (variant != kPlain) {
      T& b = state[0];
      b = fma_(c.momentum, b, c.fresh * g);
      u = variant == kNesterov ? fma_(c.push, b, g) : b;
    }
    w = moved(w, c.drop, c.lr, u);
  }
};

GATUN_RULES_END
