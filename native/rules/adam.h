// adam.h - Adam and AdamW (Kingma & Ba, 1412.6980; Loshchilov & Hutter, 1711.05101), with AMSGrad (1904.09237) and the
// softplus denominator of SAdam (1908.00700), which SING uses.
//
//   g = g + l2 w;   m = m + (1-beta1)(g - m);   v = v + (1-beta2)(g^2 - v)
//   r = v, or vmax = max(vmax, v) (AMSGrad, over the biased v)
//   d = sqrt(r)/sqrt(1-beta2^t) + eps, or softplus of the first term;   w = w - drop w - lr/(1-beta1^t) m/d
#pragma once
#include "step.h"

GATUN_RULES_BEGIN

template <>
struct Rule<GATUN_RULE_ADAM> : RuleDefaults {
  using Arguments = gatun_adam;
  enum { kAmsgrad = 1, kSoftplus = 2, kVariants = 4 };

  static int variant(const Arguments& a) { return (a.amsgrad ? kAmsgrad : 0) | (a.softplus > 0 ? kSoftplus : 0); }
  static constexpr int slots(int variant) { return variant & kAmsgrad ? 3 : 2; }

  template <class T>
  struct Coefficients {
    T fresh1, fresh2, rate, root, eps, l2, drop, softplus, softplus_inverse;
  };

  template <class T>
  static GATUN_HD Coefficients<T> finalize(const Arguments& a, const StepScalars& step) {
    const double bias1 = 1 - power(a.beta1, step.t), bias2 = 1 - power(a.beta2, step.t);
    const DecayFactors decay = decay_factors(a.decay, a.weight_decay, step);
    return {T(1 - a.beta1),      T(1 - a.beta2), T(step.lr / bias1),
            T(1 / sqrt_(bias2)), T(a.eps),       T(decay.l2),
            T(decay.drop),       T(a.softplus),  T(a.softplus > 0 ? 1 / a.softplus : 0)};
  }

  template <int variant, class T>
  static GATUN_HD void update(const Coefficients<T>& c, T g, T& w, T* state) {
    T &m = state[0], &v = state[1];
    g = fma_(c.l2, w, g);
    m = fma_(c.fresh1, g - m, m);
    v = fma_(c.fresh2, fma_(g, g, -v), v);  // one rounding of g^2 - v; never below 0, since rounding is monotonic
    T r = v;
    if constexpr ((variant & kAmsgrad) != 0) r = state[2] = max_(state[2], v);
    const T root = sqrt_(r);
    const T d = (variant & kSoftplus) != 0 ? softplus(root * c.root, c.softplus, c.softplus_inverse)
                                           : fma_(root, c.root, c.eps);
    w = moved(w, c.drop, c.rate, m / d);
  }
};

GATUN_RULES_END
