// average.h - averages of the weights, applied after the rule has moved them.
#pragma once
#include "numeric.h"

GATUN_RULES_BEGIN

// Lookahead (1907.08610) at a synchronization: the slow weights go alpha of the way, the weights go back to them.
template <class T>
GATUN_HD void lookahead(T& w, T& slow, T alpha) {
  w = slow = fma_(alpha, w - slow, slow);
}

// Exponential moving average in the form that is exact for tau = 1 and for w = average.
template <class T>
GATUN_HD void ema(T w, T& average, T fresh) {
  average = fma_(fresh, w - average, average);
}

GATUN_RULES_END
