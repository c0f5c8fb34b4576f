// nsgd.h - NSGD and INSGD (2212.09921, versions 1 and 2): gradient descent whose steps are divided by the power of what
// a layer is fed with. A tensor without an input has d = 1: momentum SGD.
//
//   N = mean over the batch of sum |x|^p (p = 1 or 2), of the whole input or of each channel
//   P = N on the first input, then input_beta P + (1 - input_beta) N;   d = P + eps (plain), max(ln P, eps) (log)
//   pre:   g = g/d;  g = g + decay w;  b = g on the first step, then momentum b + (1 - dampening) g;  w = w - lr u
//   post:            g = g + decay w;  b likewise;                                                    w = w - lr u/d
//   u = b, or g + momentum b (Nesterov), or g (no momentum)
#pragma once
#include "step.h"

GATUN_RULES_BEGIN

template <>
struct Rule<GATUN_RULE_NSGD> : RuleDefaults {
  using Arguments = gatun_nsgd;
  enum { kPlain, kMomentum, kNesterov, kPre, kVariants = 2 * kPre };
  static constexpr bool kInputs = true;

  static int variant(const Arguments& a) {
    return (a.momentum == 0 ? kPlain : a.nesterov ? kNesterov : kMomentum) + (a.pre ? kPre : 0);
  }
  static constexpr int slots(int variant) { return variant % kPre == kPlain ? 0 : 1; }
  static constexpr int scalars(int) { return 1; }  // the powers

  static bool absolute(const Arguments& a) { return a.l1 != 0; }
  static GATUN_HD double inverse(const Arguments& a, double mean, double& power, bool first) {
    power = first || a.input_beta == 0 ? mean : a.input_beta * power + (1 - a.input_beta) * mean;
    if (!a.log) return 1 / (power + a.eps);
    return 1 / (power <= 1 ? a.eps : max_(log_above_one(power), a.eps));
  }

  template <class T>
  struct Coefficients {
    T momentum, fresh, push, lr, l2, inverse;
  };

  template <class T>
  static GATUN_HD Coefficients<T> finalize(const Arguments& a, const StepScalars& step) {
    const bool first = step.t == 1;
    return {T(first ? 0 : a.momentum),
            T(first ? 1 : 1 - a.dampening),
            T(a.momentum),
            T(step.lr),
            T(step.decay ? a.weight_decay : 0),
            T(step.inverse)};
  }

  template <int variant, class T>
  static GATUN_HD void update(const Coefficients<T>& c, T g, T& w, T* state) {
    update<variant>(c, g, w, state, c.inverse);
  }
  template <int variant, class T>
  static GATUN_HD void update(const Coefficients<T>& c, T g, T& w, T* state, T inverse) {
    if constexpr (variant >= kPre) g = g * inverse;
    g = fma_(c.l2, w, g);
    T u = g;
    if constexpr (variant % kPre != kPlain) {
      T& b = state[0];
      b = fma_(c.momentum, b, c.fresh * g);
      u = variant % kPre == kNesterov ? fma_(c.push, b, g) : b;
    }
    if constexpr (variant < kPre) u = u * inverse;
    w = moved(w, T(0), c.lr, u);  // as SGD rounds it
  }
};

GATUN_RULES_END
