// adal.h - AdaL (2107.01525), a reconstruction: neither the paper's text nor an author's code was to be had; see
// docs/decisions/0006-adal.md.
//
//   L = sum |g| over the tensor, or over all tensors;   h = L g;   m and v of h as in Adam;   lr_t = lr/sqrt(t)
//   denominator:  w = w - drop w - lr_t/bc1 m / (sqrt(v/bc2) + eps)
//   literal:      w = w - drop w - lr_t/bc1 m ([v > 0] / sqrt(v/bc2) + eps)
#pragma once
#include "step.h"

GATUN_RULES_BEGIN

template <>
struct Rule<GATUN_RULE_ADAL> : RuleDefaults {
  using Arguments = gatun_adal;
  enum { kDenominator, kLiteral, kVariants };

  static int variant(const Arguments& a) { return a.literal ? kLiteral : kDenominator; }
  static constexpr int slots(int) { return 2; }
  static constexpr int sums(int) { return 1; }
  static bool pools(const Arguments& a) { return a.global != 0; }

  template <class T>
  struct Before {
    T l2;
  };

  // The norm over all tensors is that of the raw gradients: tensors may differ in their decay.
  template <class T>
  static GATUN_HD Before<T> before(const Arguments& a, const StepScalars& step) {
    return {T(a.global ? 0 : decay_factors(a.decay, a.weight_decay, step).l2)};
  }

  template <class T>
  static GATUN_HD bool weighs(const Before<T>& c) {
    return c.l2 != 0;
  }

  template <int, class T>
  static GATUN_HD void factors(const Before<T>& c, T g, T w, const T*, T* a, T* b) {
    a[0] = abs_(fma_(c.l2, w, g));
    b[0] = T(1);
  }

  template <class T>
  struct Coefficients {
    T gain, fresh1, fresh2, rate, root, eps, l2, drop;
  };

  template <class T>
  static GATUN_HD Coefficients<T> finalize(const Arguments& a, const StepScalars& step) {
    StepScalars annealed = step;
    if (a.sqrt_decay) annealed.lr = step.lr / sqrt_(double(step.t));
    const DecayFactors decay = decay_factors(a.decay, a.weight_decay, annealed);
    return {T(step.sums[0]),
            T(1 - a.beta1),
            T(1 - a.beta2),
            T(annealed.lr / (1 - power(a.beta1, step.t))),
            T(1 / sqrt_(1 - power(a.beta2, step.t))),
            T(a.eps),
            T(decay.l2),
            T(decay.drop)};
  }

  template <int variant, class T>
  static GATUN_HD void update(const Coefficients<T>& c, T g, T& w, T* state) {
    T &m = state[0], &v = state[1];
    const T h = c.gain * fma_(c.l2, w, g);  // squared only after scaling: g * g underflows where h * h does not
    m = fma_(c.fresh1, h - m, m);
    v = fma_(c.fresh2, fma_(h, h, -v), v);
    const T root = sqrt_(v) * c.root;
    if constexpr (variant == kDenominator) {
      w = moved(w, c.drop, c.rate, m / (root + c.eps));
    } else {  // without the guard a coordinate that never had a gradient would be infinity times 0
      const T inverse = v > 0 ? T(1) / root : T(0);
      w = moved(w, c.drop, c.rate, m * (inverse + c.eps));
    }
  }
};

GATUN_RULES_END
