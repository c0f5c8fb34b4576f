// moments.h - the sums of a gradient: its norm, and for SING its row means and the norm about them.
//
// A row's sums are shifted by its first element, S = sum(g - K) and Q = sum((g - K)^2), in double: a row with
// |mean|/std of 1e5 keeps its digits and a constant row gives exactly 0 (unshifted float sums lose everything there).
#pragma once
#include "geometry.h"
#include "partial.h"

GATUN_RULES_BEGIN

// One element (or one vector of elements) into its lane.
template <class V>
GATUN_HD void accumulate_centered(V g, V shift, V& s, V& q) {
  const V d = g - shift;
  s = s + d;
  q = fma_(d, d, q);
}
template <class V>
GATUN_HD void accumulate_square(V g, V& q) {
  q = fma_(g, g, q);
}

// What is known of a run of elements: their number, mean and squared deviations from it.
struct Moments {
  double n, mean, m2;

  static GATUN_HD Moments of(double n, double shift, double s, double q) {
    const double m2 = q - s * s / n;
    return {n, shift + s / n, m2 < 0 ? 0 : m2};  // a comparison, not fmax, which would turn NaN into 0
  }
  // Chan's merge; equal means leave the mean as it is, so that constant rows stay exact.
  GATUN_HD void merge(const Moments& other) {
    const double total = n + other.n, delta = other.mean - mean;
    mean = mean + delta * (other.n / total);
    m2 = m2 + other.m2 + delta * delta * (n * (other.n / total));
    n = total;
  }
  GATUN_HD double squares() const { return m2 + n * mean * mean; }
};

// Adds numbered values in the order that a chunk's elements are added in: value i to lane i mod 32, then the tree. So a
// warp can add the partials of a tensor, or the norms of ten thousand tensors, in a few microseconds.
struct LaneSum {
  double lanes[kLanes] = {};

  GATUN_HD void add(int64_t i, double x) { lanes[i % kLanes] = lanes[i % kLanes] + x; }
  GATUN_HD double total() const {
    double x[kLanes];
    for (int64_t l = 0; l < kLanes; ++l) x[l] = lanes[l];
    for (int64_t half = kLanes / 2; half > 0; half /= 2)
      for (int64_t l = 0; l < half; ++l) x[l] = x[l] + x[l + half];
    return x[0];
  }
};

// A row's mean as an unevaluated pair: (g - hi) - lo is exact to the last bit where g - float(mean) loses 18 % at 1e7.
template <class T>
GATUN_HD void split_mean(double mean, T& hi, T& lo) {
  hi = T(mean);
  lo = T(mean - double(hi));
}

GATUN_RULES_END
