// kernels.h - the inner loops of the CPU backend, as one table per instruction set and element type.
#pragma once
#include <cstddef>
#include <cstdint>

#include "gatun.h"
#include "rules/partial.h"

namespace gatun {

// weight, gradient, state: n elements each, not overlapping. coefficients: the rule's, for this element type.
using Update = void (*)(const void* coefficients, void* weight, const void* gradient, void* const* state, size_t n);

// How a gradient is transformed on its way into a rule: ((g - hi) - lo) * scale, with one hi and lo for each row.
struct Affine {
  double scale;
  const void *hi, *lo;  // of the row that the first element is in, and the rows after it; null: no means to take off
  int64_t first;        // the first element's place in its row
  int64_t row_length;
};
using AffineUpdate = void (*)(const void* coefficients, void* weight, const void* gradient, void* const* state,
                              size_t n, const Affine& affine);

// A chunk's share of a rule's sums; the gradient is transformed unless affine is null. n is at most kChunk.
using RuleSums = void (*)(const void* before, const void* weight, const void* gradient, void* const* state, size_t n,
                          const Affine* affine, double* sums);

// The same with one factor of the weights for each row: `drop` is that of the row that the first element is in.
using RowsUpdate = void (*)(const void* coefficients, void* weight, const void* gradient, void* const* state, size_t n,
                            const Affine& affine, const void* drop);

// Factors that differ within a tensor: those of the rows of group 0, of group 1, ...
struct RowFactors {
  const void* values;
  int64_t row_length, rows_per_group;
  int64_t begin;  // the first element's place in the tensor
};
using FactoredUpdate = void (*)(const void* coefficients, void* weight, const void* gradient, void* const* state,
                                size_t n, const Affine& affine, const RowFactors& factors);

// Which draws of rules/half.h a block's stochastic rounding takes: its first element is the tensor's `element`.
struct Draws {
  int64_t seed, tensor, t, element;
};

struct Updates {
  Update plain;                        // null for rules with rows,
  AffineUpdate affine;                 // as this
  RowsUpdate rows;                     // null for others
  FactoredUpdate factored;             // null for rules that take no inputs
  RuleSums sums;                       // null for rules without,
  bool (*weighs)(const void* before);  // as this: do they depend on the weights?
  bool (*swaps)(int64_t t);            // do state slots 0 and 1 change places at step t?
};

// rules/step.h's StepScalars, for all instruction sets alike.
struct RuleStep {
  int64_t t;
  double lr;
  bool decay;
  const double* sums;
  double* scalars;
  double length;
  double row_length = 0;  // of rules with rows
  double inverse = 1;
};

struct Kernels {
  // Sums of one chunk.
  void (*squares)(const void* gradient, int64_t n, Partial* partial);
  void (*rows)(const void* gradient, int64_t rows, int64_t row_length, void* hi, void* lo, Partial* partial);
  void (*row_part)(const void* gradient, int64_t n, Partial* partial);
  void (*split_mean)(double mean, void* hi, void* lo);

  // The power of a part of an input.
  double (*power)(const void* input, const PowerPart& part, bool absolute);

  // Elementwise passes.
  void (*lookahead)(void* weight, void* slow, double alpha, size_t n);
  void (*ema)(const void* weight, void* average, double fresh, size_t n);
  Updates (*update)(int32_t rule, int32_t variant);

  // Coefficients of a rule: for its sums, for its update.
  void (*before)(int32_t rule, const void* arguments, const RuleStep& step, void* coefficients);
  void (*finalize)(int32_t rule, const void* arguments, const RuleStep& step, void* coefficients);
  // Of a rule with rows: from kMaxSums sums of each row its coefficients, and each row's factor.
  void (*finalize_by_row)(int32_t rule, const void* arguments, RuleStep step, const double* sums, int64_t rows,
                          void* coefficients, void* drop);

  // Of a rule that takes inputs: every channel's factor from its mean power, and its memory; each factor `repeat` times
  // into `factors`, unless that is null.
  void (*inverses)(int32_t rule, const void* arguments, bool first, int64_t channels, const double* means,
                   double* powers, double* inverses);
  void (*spread)(const double* inverses, int64_t channels, int64_t repeat, void* factors);

  // Reads `count` arrays of n 4-byte words and writes the first `written` back unchanged.
  void (*traffic)(void* const* arrays, int32_t count, int32_t written, size_t begin, size_t n);

  // Between BF16 or F16 and F32; rounding to nearest where draws is null.
  void (*widen)(int32_t dtype, const void* from, void* to, size_t n);
  void (*narrow)(int32_t dtype, const void* from, void* to, size_t n, const Draws* draws);
};

constexpr size_t kCoefficientBytes = 128;  // room for any rule's coefficients

// Null where this build has none.
const Kernels* kernels(int32_t isa, int32_t dtype);

// The best instruction set of this CPU whose registers the operating system saves.
int32_t best_isa();

}  // namespace gatun
