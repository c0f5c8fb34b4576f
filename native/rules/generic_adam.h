// generic_adam.h - Generic Adam (Zou et al., 1811.09358; Chen et al., 2101.05471) with its practical schedule: Adam
// whose second moment forgets less and less, so that it converges where Adam does not.
//
//   m = m + (1-beta1)(g - m);   v = v + (1-theta_t)(g^2 - v), 1 - theta_t = (0.001 + 0.999 r) / t^r
//   w = w - lr/sqrt(t) m / (sqrt(v) + eps)                                           (no bias correction)
#pragma once
#include "step.h"

GATUN_RULES_BEGIN

template <>
struct Rule<GATUN_RULE_GENERIC_ADAM> : RuleDefaults {
  using Arguments = gatun_generic_adam;
  enum { kVariants = 1 };

  static int variant(const Arguments&) { return 0; }
  static constexpr int slots(int) { return 2; }

  template <class T>
  struct Coefficients {
    T fresh1, fresh2, rate, eps;
  };

  template <class T>
  static GATUN_HD Coefficients<T> finalize(const Arguments& a, const StepScalars& step) {
    return {T(1 - a.beta1), T((0.001 + 0.999 * a.r) / fractional_power(step.t, a.r)),
            T(step.lr / sqrt_(double(step.t))), T(a.eps)};
  }

  template <int, class T>
  static GATUN_HD void update(const Coefficients<T>& c, T g, T& w, T* state) {
    T &m = state[0], &v = state[1];
    m = fma_(c.fresh1, g - m, m);
    v = fma_(c.fresh2, fma_(g, g, -v), v);
    w = fma_(-c.rate, m / (sqrt_(v) + c.eps), w);
  }
};

GATUN_RULES_END
