// adabelief.h - AdaBelief (Zhuang et al., 2010.07468, as adabelief-pytorch 0.2.1 has it) and RAdam (Liu et al.,
// 1908.03265, the authors' code): second moments of the gradient's surprise or of the gradient, and the rectification
// they share.
//
//   AdaBelief:  v = v + (1-beta2)((g - m)^2 - v) + eps, eps in the state;   RAdam:  v = v + (1-beta2)(g^2 - v)
//   not rectified:  w = w - drop w - lr/bc1 m / (sqrt(v)/sqrt(bc2) + eps)
//   rectified:      rho >= 5: w = w - drop w - lr r sqrt(bc2)/bc1 m / (sqrt(v) + eps), else w = w - drop w - lr/bc1 m,
//   or w
//   w
#pragma once
#include "step.h"

GATUN_RULES_BEGIN

// What the rectification makes of a step: w = w - drop w - rate m / (root sqrt(v) + eps). For root 0 and eps 1 that is
// plain momentum; for rate 0, too, nothing.
struct Rectified {
  double rate, root, eps;
  bool moves;

  static GATUN_HD Rectified of(double beta1, double beta2, double eps, bool degenerate_to_sgd,
                               const StepScalars& step) {
    const double bias1 = 1 - power(beta1, step.t), beta2_t = power(beta2, step.t), bias2 = 1 - beta2_t;
    const double limit = 2 / (1 - beta2) - 1, rho = limit - 2 * double(step.t) * beta2_t / bias2;
    if (rho >= 5) {
      const double r = sqrt_((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho));
      return {step.lr * r * sqrt_(bias2) / bias1, 1, eps, true};
    }
    return {degenerate_to_sgd ? step.lr / bias1 : 0, 0, 1, degenerate_to_sgd};
  }
};

// w - drop w - rate m / (root sqrt(v) + eps). Where the root does not count, or nothing moves, an infinite or NaN v
// must not either: weights that wait keep their bits.
template <class Coefficients, class T>
GATUN_HD T rectified_step(const Coefficients& c, T m, T v, T w) {
  const T d = c.root > 0 ? fma_(sqrt_(v), c.root, c.eps) : c.eps;
  const T decayed = c.drop != 0 ? w - c.drop * w : w;
  return c.rate != 0 ? moved(w, c.drop, c.rate, m / d) : decayed;
}

template <>
struct Rule<GATUN_RULE_ADABELIEF> : RuleDefaults {
  using Arguments = gatun_adabelief;
  enum { kPlain, kAmsgrad, kVariants };

  // The authors' code leaves AMSGrad out of the rectified form without a word; here its state is left out, too.
  static int variant(const Arguments& a) { return a.amsgrad && !a.rectify ? kAmsgrad : kPlain; }
  static constexpr int slots(int variant) { return variant == kAmsgrad ? 3 : 2; }

  template <class T>
  struct Coefficients {
    T fresh1, fresh2, state_eps, rate, root, eps, l2, drop;
  };

  template <class T>
  static GATUN_HD Coefficients<T> finalize(const Arguments& a, const StepScalars& step) {
    const DecayFactors decay = decay_factors(a.decay, a.weight_decay, step);
    Rectified r = Rectified::of(a.beta1, a.beta2, a.eps, a.degenerate_to_sgd != 0, step);
    if (!a.rectify) r = {step.lr / (1 - power(a.beta1, step.t)), 1 / sqrt_(1 - power(a.beta2, step.t)), a.eps, true};
    return {T(1 - a.beta1), T(1 - a.beta2), T(a.eps), T(r.rate), T(r.root), T(r.eps), T(decay.l2), T(decay.drop)};
  }

  template <int variant, class T>
  static GATUN_HD void update(const Coefficients<T>& c, T g, T& w, T* state) {
    T &m = state[0], &v = state[1];
    g = fma_(c.l2, w, g);
    m = fma_(c.fresh1, g - m, m);
    const T d = g - m;
    v = fma_(c.fresh2, fma_(d, d, -v), v) + c.state_eps;
    T r = v;
    if constexpr (variant == kAmsgrad) r = state[2] = max_(state[2], v);
    w = rectified_step(c, m, r, w);
  }
};

template <>
struct Rule<GATUN_RULE_RADAM> : RuleDefaults {
  using Arguments = gatun_radam;
  enum { kVariants = 1 };

  static int variant(const Arguments&) { return 0; }
  static constexpr int slots(int) { return 2; }

  template <class T>
  struct Coefficients {
    T fresh1, fresh2, rate, root, eps, drop;
  };

  template <class T>
  static GATUN_HD Coefficients<T> finalize(const Arguments& a, const StepScalars& step) {
    const Rectified r = Rectified::of(a.beta1, a.beta2, a.eps, a.degenerate_to_sgd != 0, step);
    // Weights that do not move do not decay either.
    const double drop = r.moves ? decay_factors(GATUN_DECAY_DECOUPLED, a.weight_decay, step).drop : 0;
    return {T(1 - a.beta1), T(1 - a.beta2), T(r.rate), T(r.root), T(r.eps), T(drop)};
  }

  template <int, class T>
  static GATUN_HD void update(const Coefficients<T>& c, T g, T& w, T* state) {
    T &m = state[0], &v = state[1];
    m = fma_(c.fresh1, g - m, m);
    v = fma_(c.fresh2, fma_(g, g, -v), v);
    w = rectified_step(c, m, v, w);
  }
};

GATUN_RULES_END
