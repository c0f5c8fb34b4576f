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
// and, for rules that need sums over their tensor (see RuleDefaults for the others):
//   sums(variant)              how many, at most kMaxSums
//   Before<T>, before          coefficients that are known before the sums
//   factors<variant>           one element's a[k], b[k]; sum k adds the products a[k] * b[k], in double
//   weighs(before)             do they depend on the weights at this step? Where not, those are not read but taken as 0
// and, for rules whose weights are kept in rows (kRows), so that each row has its sums and a factor of its own:
//   measure(args, sums)        what dropping is told the largest of, from a row's sums
//   Dropping, dropping         what the rows' factors have in common, once per tensor
//   drop(dropping, sums)       a row's factor, from its sums; update gets it behind the state
// and, for rules that take their layers' inputs (kInputs):
//   absolute(args)             is an input's power the sum of |x| instead of x^2?
//   inverse(args, N, P, first) the factor for a channel of mean power N, from and into its memory P
//   update<variant>            with one more argument: that factor, where it differs within a tensor
template <int rule>
struct Rule;

constexpr int kMaxSums = 4;

// What most rules have in common; a rule that differs says so.
struct RuleDefaults {
  static constexpr uint32_t kReadOnly = 0;               // bits of the state slots that update only reads
  static constexpr bool kInputs = false;                 // does it take its layers' inputs?
  static GATUN_HD bool swaps(int64_t) { return false; }  // do slots 0 and 1 change places at step t?
  static constexpr bool kOnCuda = true;                  // false: the CUDA backend refuses the rule, by its name
  static constexpr int scalars(int) { return 0; }        // state of one double per tensor, in the slots behind
  static constexpr int sums(int) { return 0; }
  template <class Before>
  static GATUN_HD bool weighs(const Before&) {
    return true;
  }
  static constexpr bool kRows = false;  // does it sum and drop weights row by row?
  template <class Arguments>
  static bool absolute(const Arguments&) {  // are input powers sums of absolute values?
    return false;
  }
  template <class Arguments>
  static bool pools(const Arguments&) {  // are the sums those of all tensors of all groups with this rule?
    return false;
  }
};

// The scalars of one tensor's step. Finalize works in double and casts its results once.
struct StepScalars {
  int64_t t;   // steps this tensor has taken, this one included
  double lr;   // this step's learning rate
  bool decay;  // does weight decay apply to this tensor?
  // For rules that have them.
  const double* sums;  // of this step
  double* scalars;     // state
  double length;       // elements
  // For those with rows, in a tensor of two or more dimensions (else 0): elements of a row, and the largest measure.
  double row_length = 0, largest = 0;
  double inverse = 1;  // of a rule that takes inputs: the factor of a tensor that has one for all of it
};

// The three forms of decay are two factors: the gradient becomes g + l2 * w, and the weight loses drop * w.
struct DecayFactors {
  double l2, drop;
};
GATUN_HD DecayFactors decay_factors(int32_t form, double weight_decay, const StepScalars& step) {
  if (!step.decay) return {0, 0};
  if (form == GATUN_DECAY_L2) return {weight_decay, 0};
  return {0, form == GATUN_DECAY_FIXED ? weight_decay : step.lr * weight_decay};
}

// A weight after a step. The decay is subtracted and no factor near 1: as a float, 1 - lr weight_decay is off by up to
// 3e-8, 3 % of a decay of 1e-6, at every step in the same direction (docs/decisions/0014-decay-is-subtracted.md).
template <class T>
GATUN_HD T moved(T w, T drop, T rate, T direction) {
  return w - fma_(rate, direction, drop * w);
}

GATUN_RULES_END
