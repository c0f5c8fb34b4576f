// plan.h - one optimizer's tensors as a backend sees them. The descriptions are checked and copied here; a backend adds
// its own tables and does the three phases.
#pragma once
#include <memory>
#include <vector>

#include "core/context.h"
#include "rules/geometry.h"
#include "rules/half.h"

struct gatun_plan {
  virtual ~gatun_plan() = default;
  virtual void gradient(int64_t group, int64_t tensor, void* address, int32_t dtype) = 0;
  virtual void input(int64_t group, int64_t tensor, const gatun_input* input) = 0;  // null: none
  virtual void reduce(const gatun_step_arguments& arguments) = 0;
  virtual void finalize(const gatun_step_arguments& arguments) = 0;
  virtual void apply(const gatun_step_arguments& arguments) = 0;
  virtual gatun_step_report report() = 0;
  virtual void gradient_norms(double* norms) = 0;
  // Values for steps that are replayed; where nothing can be, they are only looked at.
  virtual void values(const gatun_step_arguments& arguments) = 0;
  // The three phases; a backend may interleave them where that changes no bit.
  virtual void step(const gatun_step_arguments& arguments) {
    reduce(arguments);
    finalize(arguments);
    apply(arguments);
  }

  gatun_context& context;
  // How far a step has come when its phases are called one by one, and with which flags.
  enum class Phase { kNone, kReduced, kFinalized } phase = Phase::kNone;
  int64_t flags = 0;

 protected:
  explicit gatun_plan(gatun_context& context) : context(context) {}
};

namespace gatun {

// Throws Error(GATUN_INVALID_ARGUMENT), naming group and tensor, for anything that a backend could not digest: null or
// misaligned addresses, shapes that do not divide, unknown numbers. Ranges of hyperparameters are the Java side's.
void check_groups(const gatun_group* groups, int64_t count);
// dtype: the gradient's; arithmetic: its group's.
void check_gradient(const void* gradient, int32_t dtype, int32_t arithmetic, int64_t group, int64_t tensor);
void check_input(const gatun_input& input, int64_t powers, int64_t group, int64_t tensor);

// Throws Error(GATUN_INVALID_ARGUMENT) for a learning rate or a gradient scale that is not finite.
void check_step(const gatun_step_arguments& arguments, int64_t groups);

inline int64_t element_bytes(int32_t dtype) { return dtype == GATUN_F64 ? 8 : is_half(dtype) ? 2 : 4; }

// Of the group's rule: state tensors of a parameter, and state scalars, which follow them.
int rule_slots(const gatun_group& group);
int rule_scalars(const gatun_group& group);
// How many sums over its tensor the rule needs; whether they are those of all tensors with that rule.
int rule_sums(const gatun_group& group);
bool rule_pools(const gatun_group& group);
// Are they those of rows, each of which drops a part of its weights of its own?
bool rule_rows(const gatun_group& group);
// Does the rule take its layers' inputs? Is their power the sum of absolute values, not of squares?
bool rule_inputs(const gatun_group& group);
bool rule_absolute(const gatun_group& group);
int rule_variant(const gatun_group& group);
size_t argument_bytes(int32_t rule);

std::unique_ptr<gatun_plan> make_cpu_plan(gatun_context& context, const gatun_group* groups, int64_t count);
std::unique_ptr<gatun_plan> make_cuda_plan(gatun_context& context, const gatun_group* groups, int64_t count);

}  // namespace gatun
