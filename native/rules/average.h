// average.h - averages of the weights, applied after the rule has moved them.
#pragma once
#include "gatun.h"
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

// How much of the way an average goes at a step of the group, counted from 1. BYOL's (2006.07733, the authors' code)
// has seen one step less: tau is its first value at the first step and 1 after k.
GATUN_HD double average_part(const gatun_average& a, int64_t group_step) {
  if (a.kind == GATUN_LOOKAHEAD) return a.value;
  return a.kind == GATUN_EMA ? 1 - a.value : (1 - a.value) * half_cosine(group_step - 1, a.k);
}

GATUN_RULES_END
