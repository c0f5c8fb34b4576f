// pnm.h - positive-negative momentum, PNM and AdaPNM (Xie et al., 2103.17182, the authors' code).
//
//   pos = pos + (1 - beta1^2)(g - pos), for the buffer of this step's parity;   neg = the other one
//   pn = [(1 + beta0) pos - beta0 neg] / sqrt((1 + beta0)^2 + beta0^2)
//   PNM:     w = w - drop w - lr pn                               (no bias correction)
//   AdaPNM:  v = v + (1-beta2)(g^2 - v), vmax = max(vmax, v);   w = w - drop w - lr/bc1 pn / (sqrt(vmax)/sqrt(bc2) +
//   eps)
#pragma once
#include "step.h"

GATUN_RULES_BEGIN

struct PositiveNegative {
  double positive, negative;

  static GATUN_HD PositiveNegative of(double beta0) {
    const double norm = sqrt_((1 + beta0) * (1 + beta0) + beta0 * beta0);
    return {(1 + beta0) / norm, beta0 / norm};
  }
};

// The parity belongs to the tensor: at even steps the two momentum buffers change places, by pointer.
struct AlternatingBuffers : RuleDefaults {
  static constexpr uint32_t kReadOnly = 1u << 1;
  static GATUN_HD bool swaps(int64_t t) { return t % 2 == 0; }
};

template <>
struct Rule<GATUN_RULE_PNM> : AlternatingBuffers {
  using Arguments = gatun_pnm;
  enum { kVariants = 1 };

  static int variant(const Arguments&) { return 0; }
  static constexpr int slots(int) { return 2; }

  template <class T>
  struct Coefficients {
    T fresh, positive, negative, lr, l2, drop;
  };

  template <class T>
  static GATUN_HD Coefficients<T> finalize(const Arguments& a, const StepScalars& step) {
    const DecayFactors decay = decay_factors(a.decay, a.weight_decay, step);
    const PositiveNegative pn = PositiveNegative::of(a.beta0);
    return {T(1 - a.beta1 * a.beta1), T(pn.positive), T(pn.negative), T(step.lr), T(decay.l2), T(decay.drop)};
  }

  template <int, class T>
  static GATUN_HD void update(const Coefficients<T>& c, T g, T& w, T* state) {
    T& pos = state[0];
    g = fma_(c.l2, w, g);
    pos = fma_(c.fresh, g - pos, pos);
    w = moved(w, c.drop, c.lr, fma_(c.positive, pos, -(c.negative * state[1])));
  }
};

template <>
struct Rule<GATUN_RULE_ADAPNM> : AlternatingBuffers {
  using Arguments = gatun_adapnm;
  enum { kPlain, kAmsgrad, kVariants };

  static int variant(const Arguments& a) { return a.amsgrad ? kAmsgrad : kPlain; }
  static constexpr int slots(int variant) { return variant == kAmsgrad ? 4 : 3; }

  template <class T>
  struct Coefficients {
    T fresh, fresh2, positive, negative, rate, root, eps, l2, drop;
  };

  template <class T>
  static GATUN_HD Coefficients<T> finalize(const Arguments& a, const StepScalars& step) {
    const DecayFactors decay = decay_factors(a.decay, a.weight_decay, step);
    const PositiveNegative pn = PositiveNegative::of(a.beta0);
    return {T(1 - a.beta1 * a.beta1),
            T(1 - a.beta2),
            T(pn.positive),
            T(pn.negative),
            T(step.lr / (1 - power(a.beta1, step.t))),
            T(1 / sqrt_(1 - power(a.beta2, step.t))),
            T(a.eps),
            T(decay.l2),
            T(decay.drop)};
  }

  template <int variant, class T>
  static GATUN_HD void update(const Coefficients<T>& c, T g, T& w, T* state) {
    T &pos = state[0], &v = state[2];
    g = fma_(c.l2, w, g);
    pos = fma_(c.fresh, g - pos, pos);
    const T pn = fma_(c.positive, pos, -(c.negative * state[1]));
    v = fma_(c.fresh2, fma_(g, g, -v), v);
    T r = v;
    if constexpr (variant == kAmsgrad) r = state[3] = max_(state[3], v);
    w = moved(w, c.drop, c.rate, pn / fma_(sqrt_(r), c.root, c.eps));
  }
};

GATUN_RULES_END
