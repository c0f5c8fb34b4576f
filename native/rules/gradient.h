// gradient.h - what stands between a gradient and its rule. All of it is affine per row, h = ((g - hi) - lo) * scale,
// so the transformations of a step are worked out on sums (core/finalize.cpp) and cost one multiplication here.
#pragma once
#include "moments.h"

GATUN_RULES_BEGIN

template <class T>
GATUN_HD T scaled(T g, T scale) {
  return g * scale;
}
template <class T>
GATUN_HD T standardized(T g, T hi, T lo, T scale) {
  return ((g - hi) - lo) * scale;
}

// A gradient on its way through the transformations, as far as sums can tell.
struct GradientState {
  double squares;  // squared norm of the raw gradient
  double m2;       // ... about its row means; only where rows were summed
  double scale;    // factor so far
  bool centered;   // are the row means taken off?

  GATUN_HD double norm_squared() const { return scale * scale * (centered ? m2 : squares); }

  // May a checked step take it? In F32 its squared norm may be a 16th of the largest float: rules square elements, and
  // differences of them and a mean of others before, and an infinity among these stays in the second moment for good.
  // Where means are taken off, these differences have to be floats, too. A norm of zero to divide by makes a NaN,
  // refused as well.
  GATUN_HD bool fits(bool is_double) const {
    const double largest = is_double ? 0x1.fffffffffffffp1023 : 0x1p124;
    return norm_squared() <= largest && (is_double || !centered || m2 <= 0x1p254);
  }

  // SING (2305.15997): h = g_c / (|g_c| + eps), without sqrt(D) and without gamma.
  GATUN_HD void standardize(bool center, bool normalize, double eps) {
    if (center) centered = true;
    if (normalize) scale = scale / (sqrt_(norm_squared()) + eps);
  }
};

// The factor of a clip to `limit` for a global norm.
GATUN_HD double clip_factor(double norm, double limit) { return norm > limit ? limit / norm : 1; }

GATUN_RULES_END
