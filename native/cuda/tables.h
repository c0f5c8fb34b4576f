// tables.h - one optimizer as the kernels see it: tables in device memory, built once. A step copies its few changing
// values over and launches; so a captured graph replays with fresh ones, and the host's work does not grow with the
// number of tensors.
#pragma once
#include "gatun.h"
#include "rules/geometry.h"
#include "rules/partial.h"
#include "rules/power.h"
#include "rules/step.h"

namespace gatun {

struct TensorEntry {
  void* weight;    // what rule and averages work on: the master, where the weight is BF16 or F16
  uint16_t* half;  // that weight; else null
  void* state[GATUN_MAX_STATE];
  Geometry geometry;
  int64_t first_chunk;  // chunks are numbered through all tensors of the plan
  void* means;          // of this step's rows, as pairs (hi, lo); null unless centered
  double* row_sums;     // kMaxSums for each row or part of one; null unless sums_rows
  void* drop;           // each row's factor; null unless its rule has rows
  int64_t* steps;       // the caller's counter
  int64_t number;       // for stochastic rounding
  int32_t group;
  int32_t decay, centered;
  int32_t sums_rows;  // does its rule sum and drop it row by row?
  int32_t aligned;    // are weight and state at the borders of vectors?
  int32_t powered;    // its number among the tensors whose layers have inputs; -1: none
};

#define GATUN_COUNT_RULE(number, constant, name, fields) +1
constexpr int kRules = 0 GATUN_RULES(GATUN_COUNT_RULE);
#undef GATUN_COUNT_RULE
static_assert(kRules <= 64);  // bits of Tables::pooling

constexpr int kArgumentBytes = 96;       // room for any rule's arguments
constexpr int kCoefficientsBytes = 128;  // and coefficients

struct GroupEntry {
  alignas(16) unsigned char arguments[kArgumentBytes];
  gatun_transform transforms[GATUN_MAX_TRANSFORMS];
  gatun_average averages[GATUN_MAX_AVERAGES];
  int64_t* steps;        // the caller's counter
  int64_t first_tensor;  // tensors are numbered through all groups
  int32_t transform_count, average_count;
  int32_t rule, dtype;
  int32_t slots;         // state tensors of the rule; its scalars come behind
  int32_t average_slot;  // and then the averages' state
  int32_t sums;          // some transformation needs the gradient's
  int32_t rule_sums;     // how many the rule needs
  int32_t pools;         // are the rule's sums those of all tensors with that rule?
  int32_t rows;          // ... those of rows, each of which drops a part of its weights of its own?
  int32_t fused;         // may k_fused step it?
  int32_t weight_dtype, rounding;
  int32_t moves_idle;  // do averages also move tensors without a gradient?
  int64_t seed;
};

// What is bound to a tensor; a null address: nothing.
struct GradientEntry {
  void* address;
  int32_t dtype, reserved;
};

// Of a tensor whose layer has an input.
struct PoweredEntry {
  double *means, *inverses;  // by channel: of a step's batch, and the factors that come of the powers
  void* factors;             // each channel's `repeat` times, as the elements of the rows need them; null: there is one
  int64_t powers, repeat, factor_count, row_length, rows_per_group;
  int32_t tensor;
  int32_t absolute;  // are powers sums of absolute values?
};

// The input itself, which may be another at every step.
struct InputEntry {
  const void* address;
  double* parts;  // of its power, as PowerGeometry numbers them
  int64_t first_part;
  PowerGeometry geometry;
  int64_t samples, area;
  int32_t dtype;
  int32_t power;  // is it a power instead?
  int32_t bound;  // is there one?
  int32_t reserved;
};

// What a step works out for one tensor.
struct TensorStep {
  double parts[GATUN_MAX_AVERAGES];  // how much of the way its averages go
  double squares, m2;                // as in GradientState
  double scale;
  int64_t group_step;  // the group's, this one included
  int32_t centered;
  int32_t begins, acts;  // bit a: average a begins as the weights, average a follows them
  int32_t master;        // kMasterBegins, kMasterMoves
};

// Of a master: it begins as the weight; it moves, and its rounding becomes the weight.
enum : int32_t { kMasterBegins = 1, kMasterMoves = 2 };

// Up to 32 chunks that follow each other, of one window: what a ticket of k_fused stands for.
struct Unit {
  int64_t first_chunk;
  int32_t chunks, window;
};

// Finalize is one stage after the other. Between the two lie the sums of rules whose gradients are transformed.
// kConcludes, alone, is what k_fused leaves over.
enum : int32_t { kJudges = 1, kAdvances = 2, kConcludes = 4 };

// What k_traffic moves: words of the first `written` arrays are read and written, those of the others only read.
struct Traffic {
  float* arrays[GATUN_MAX_STATE + 2];
  int64_t words;
  uint32_t mask;  // 0, which the compiler does not know
  int32_t aligned;
};

// Everything a kernel is told, passed by value.
struct Tables {
  const TensorEntry* tensors;
  const GroupEntry* groups;
  const GradientEntry* gradients;  // one for each tensor
  const int32_t* tensor_of_chunk;  // one for each chunk
  const double* values;            // of the step: gradient_scale, then each group's learning rate
  TensorStep* steps;
  unsigned char* coefficients;  // kCoefficientsBytes for each tensor
  Partial* partials;            // one for each chunk
  double* rule_partials;        // kMaxSums for each chunk
  double* rule_sums;            // kMaxSums for each tensor
  double* pooled;               // kMaxSums for each rule
  uint32_t* arrived;            // chunks of each tensor that are summed; zero between launches
  uint32_t* blocks_done;        // zero between launches
  gatun_step_report* report;
  const PoweredEntry* powered;
  const InputEntry* inputs;  // one for each of those; one more at the end, which begins where all parts end
  const double* zero;        // a pair of them: the means of a gradient that is not centered
  int64_t tensor_count, group_count, powered_count;
  int64_t first_chunk, end_chunk;  // what this launch goes through
  int64_t flags;                   // gatun_step_flag
  // k_fused: the tickets in their order, u for the sums of unit u, ~u for its update.
  const int32_t* tickets;
  const Unit* units;
  const uint32_t* units_of_window;
  uint32_t* counters;     // all that follow; zero between steps
  uint32_t* units_done;   // of each window: units whose sums are there
  uint32_t* next_ticket;  // of this launch
  int64_t counter_count, first_ticket, end_ticket;
  int32_t fused;  // does k_fused step what it may?
  int32_t reserved;
  int64_t pooling;  // bit r: some group pools the sums of rule r
  int32_t summed;   // does this step have sums?
  int32_t stages;   // of finalize, for the block that ends this launch
  int32_t clips;    // the most clips that any group has
  int32_t again;    // k_rule_sums: of transformed gradients, once finalize has begun
  Traffic traffic;
};

}  // namespace gatun
