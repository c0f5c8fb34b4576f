// aida.h - Aida (Zhang et al., 2203.13273, the authors' code): AdaBelief whose first moment and gradient are projected
// onto each other, layer by layer, K times.
//
//   m = m + (1-beta1)(g - m);   a = g, c = m;   K times:  s = <a,c>, a = a s/(|a|^2+xi), c = c s/(|c|^2+xi)
//   v = v + (1-beta2)((c - a)^2 - v) + eps, eps in the state;   w = w - drop w - lr/bc1 m / (sqrt(v)/sqrt(bc2) [+ eps])
//
// a stays a multiple cg of g and c a multiple cm of m, so three sums are all that the projections need.
#pragma once
#include "step.h"

GATUN_RULES_BEGIN

template <>
struct Rule<GATUN_RULE_AIDA> : RuleDefaults {
  using Arguments = gatun_aida;
  enum { kVariants = 1 };

  static int variant(const Arguments&) { return 0; }
  static constexpr int slots(int) { return 2; }
  static constexpr int sums(int) { return 3; }

  template <class T>
  struct Before {
    T fresh1, l2;
  };

  template <class T>
  static GATUN_HD Before<T> before(const Arguments& a, const StepScalars& step) {
    return {T(1 - a.beta1), T(decay_factors(a.decay, a.weight_decay, step).l2)};
  }

  template <class T>
  static GATUN_HD bool weighs(const Before<T>& c) {
    return c.l2 != 0;
  }

  // |g|^2, <m,g>, |m|^2 with this step's m. Expanding |m|^2 from sums over the old m would cancel.
  template <int, class T>
  static GATUN_HD void factors(const Before<T>& c, T g, T w, const T* state, T* a, T* b) {
    g = fma_(c.l2, w, g);
    const T m = fma_(c.fresh1, g - state[0], state[0]);
    a[0] = b[0] = b[1] = g;
    a[1] = a[2] = b[2] = m;
  }

  template <class T>
  struct Coefficients {
    T fresh1, fresh2, cg, cm, state_eps, rate, root, eps, l2, drop;
  };

  template <class T>
  static GATUN_HD Coefficients<T> finalize(const Arguments& a, const StepScalars& step) {
    const double g2 = step.sums[0], mg = step.sums[1], m2 = step.sums[2];
    double cg = 1, cm = 1;
    for (int64_t k = 0; k < a.k; ++k) {
      const double s = cg * cm * mg, sg = s / (cg * cg * g2 + a.xi), sm = s / (cm * cm * m2 + a.xi);
      cg = cg * sg;
      cm = cm * sm;
    }
    const DecayFactors decay = decay_factors(a.decay, a.weight_decay, step);
    return {T(1 - a.beta1),
            T(1 - a.beta2),
            T(cg),
            T(cm),
            T(a.eps),
            T(step.lr / (1 - power(a.beta1, step.t))),
            T(1 / sqrt_(1 - power(a.beta2, step.t))),
            T(a.outer_eps ? a.eps : 0),
            T(decay.l2),
            T(decay.drop)};
  }

  template <int, class T>
  static GATUN_HD void update(const Coefficients<T>& c, T g, T& w, T* state) {
    T &m = state[0], &v = state[1];
    g = fma_(c.l2, w, g);
    m = fma_(c.fresh1, g - m, m);
    const T r = fma_(c.cm, m, -(c.cg * g));
    v = fma_(c.fresh2, fma_(r, r, -v), v) + c.state_eps;
    w = moved(w, c.drop, c.rate, m / fma_(sqrt_(v), c.root, c.eps));
  }
};

GATUN_RULES_END
