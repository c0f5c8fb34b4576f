// step.h - what a rule is told about a step, and weight decay, which every rule treats alike.
#pragma once
#include "gatun.h"
#include "numeric.h"

GATUN_RULES_BEGIN

// A rule's arithmetic, under its number in the registry:
//   Arguments                  its struct in gatun.h
//   kVariants, variant(args)   forms with a loop of their own, because they differ in state or in expensive operations
//   slots(variant)             state tensors
//   Coefficients<T>, finalize  what a step's scalars make of the arguments, once per tensor
//   update<variant>            the elementwise step
template <int rule>
struct Rule;

// The scalars of one tensor's step. Finalize works in double and casts its results once.
struct StepScalars {
  int64_t t;   // steps this tensor has taken, this one included
  double lr;   // this step's learning rate
  bool decay;  // does weight decay apply to this tensor?
};

// The three forms of decay are two factors: the gradient becomes g + l2 * w, the weight w * keep.
struct DecayFactors {
  double l2, keep;
};
GATUN_HD DecayFactors decay_factors(int32_t form, double weight_decay, const StepScalars& step) {
  if (!step.decay) return {0, 1};
  if (form == GATUN_DECAY_L2) return {weight_decay, 1};
  return {0, 1 - (form == GATUN_DECAY_FIXED ? weight_decay : step.lr * weight_decay)};
}

GATUN_RULES_END
