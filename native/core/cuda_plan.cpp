// cuda_plan.cpp - a plan whose tables and kernels are behind the door to libgatun_cuda.so.
#include <cstdlib>
#include <optional>
#include <string>

#include "core/cuda_door.h"
#include "core/error.h"
#include "core/plan.h"
#include "rules/rules.h"

namespace gatun {

namespace {

// A rule that only the CPU computes is refused by the name of its line in gatun.h.
struct RuleOnCuda {
  const char* name;
  bool there;
};
RuleOnCuda rule_on_cuda(int32_t rule) {
  constexpr RuleOnCuda kRules[] = {
#define GATUN_RULE_ON_CUDA(number, constant, name, fields) {#name, Rule<number>::kOnCuda},
      GATUN_RULES(GATUN_RULE_ON_CUDA)
#undef GATUN_RULE_ON_CUDA
  };
  return kRules[rule];
}

// GATUN_CUDA_DESIGN and GATUN_CUDA_WINDOW, for tests and measurements: docs/decisions has the reasons.
GatunCudaDesign design_of_environment() {
  const char* const wanted = std::getenv("GATUN_CUDA_DESIGN");
  const std::string design = wanted == nullptr || *wanted == 0 ? "auto" : wanted;
  if (design != "auto" && design != "fused" && design != "two")
    fail(GATUN_INVALID_ARGUMENT, "GATUN_CUDA_DESIGN=%s: give auto, fused or two", wanted);
  const char* const elements = std::getenv("GATUN_CUDA_WINDOW");
  char* end = nullptr;
  const long long window = elements == nullptr || *elements == 0 ? 1 << 20 : std::strtoll(elements, &end, 10);
  if (window < 1 || (end != nullptr && *end != 0))
    fail(GATUN_INVALID_ARGUMENT, "GATUN_CUDA_WINDOW=%s: give a number of elements, 1 or more", elements);
  return {window, design != "two", 0};
}

class CudaPlan final : public gatun_plan {
 public:
  CudaPlan(gatun_context& context, const gatun_group* groups, int64_t count)
      : gatun_plan(context), backend_(cuda_backend()) {
    int64_t tensors = 0;
    for (int64_t g = 0; g < count; ++g) {
      const RuleOnCuda rule = rule_on_cuda(groups[g].rule);
      if (!rule.there)
        fail(GATUN_UNAVAILABLE, "group %lld: this version computes %s on the CPU only; choose a CPU device",
             (long long)g, rule.name);
      shapes_.push_back({groups[g].count, groups[g].dtype, {}});
      for (int64_t i = 0; i < groups[g].count && rule_inputs(groups[g]); ++i)
        shapes_.back().powers.push_back(groups[g].tensors[i].powers);
      tensors += groups[g].count;
    }
    if (tensors > INT32_MAX)
      fail(GATUN_INVALID_ARGUMENT, "%lld tensors; at most 2^31 - 1 are possible", (long long)tensors);
    const GatunCudaDesign design = design_of_environment();
    cuda_check(backend_->plan_create(context.cuda, groups, count, &design, &plan_),
               "building an optimizer's tables on the GPU");
  }
  ~CudaPlan() override { backend_->plan_destroy(plan_); }  // a failure here is that of an earlier step

  void gradient(int64_t group, int64_t tensor, void* address, int32_t dtype) override {
    check_gradient(address, dtype, shape_of(group, tensor).dtype, group, tensor);
    backend_->plan_gradient(plan_, group, tensor, address, dtype);
  }

  void input(int64_t group, int64_t tensor, const gatun_input* input) override {
    const GroupShape& shape = shape_of(group, tensor);
    if (input != nullptr) check_input(*input, shape.powers.empty() ? 0 : shape.powers[size_t(tensor)], group, tensor);
    cuda_check(backend_->plan_input(plan_, group, tensor, input), "taking a layer's input on the GPU");
  }

  void reduce(const gatun_step_arguments& arguments) override { run(arguments, GATUN_PHASE_REDUCE); }
  void finalize(const gatun_step_arguments& arguments) override { run(arguments, GATUN_PHASE_FINALIZE); }
  void apply(const gatun_step_arguments& arguments) override { run(arguments, GATUN_PHASE_APPLY); }
  void step(const gatun_step_arguments& arguments) override { run(arguments, GATUN_PHASE_ALL); }

  void values(const gatun_step_arguments& arguments) override {
    check_step(arguments, int64_t(shapes_.size()));
    call([&] { return backend_->plan_values(plan_, &arguments); }, "giving the GPU a step's values");
  }

  gatun_step_report report() override {
    gatun_step_report report{};
    call([&] { return backend_->plan_report(plan_, &report); }, "waiting for an optimizer's step on the GPU");
    return report;
  }

  void gradient_norms(double* norms) override {
    call([&] { return backend_->plan_squares(plan_, norms); }, "waiting for the sums of an optimizer's gradients");
    for (const GroupShape& shape : shapes_)
      for (int64_t i = 0; i < shape.count; ++i, ++norms) *norms = sqrt_(*norms);
  }

 private:
  struct GroupShape {
    int64_t count;
    int32_t dtype;
    std::vector<int64_t> powers;  // of its tensors; empty if the rule takes no inputs
  };

  const GroupShape& shape_of(int64_t group, int64_t tensor) const {
    if (group < 0 || group >= int64_t(shapes_.size()))
      fail(GATUN_INVALID_ARGUMENT, "group %lld; there are %zu", (long long)group, shapes_.size());
    const GroupShape& shape = shapes_[size_t(group)];
    if (tensor < 0 || tensor >= shape.count)
      fail(GATUN_INVALID_ARGUMENT, "tensor %lld; group %lld has %lld", (long long)tensor, (long long)group,
           (long long)shape.count);
    return shape;
  }

  void run(const gatun_step_arguments& arguments, int32_t phases) {
    check_step(arguments, int64_t(shapes_.size()));
    call([&] { return backend_->plan_run(plan_, &arguments, phases); }, "starting an optimizer's step on the GPU");
  }

  // After a failure nobody knows which tensors have taken the step: this plan takes no other, and says why.
  template <class Call>
  void call(Call&& body, const char* what) {
    if (stopped_) throw Error(stopped_->status, stopped_->code, "this optimizer stopped when " + stopped_->message);
    try {
      cuda_check(body(), what);
    } catch (const Error& e) {
      stopped_ = e;
      throw;
    }
  }

  const GatunCudaBackend* const backend_;
  GatunCudaPlan* plan_ = nullptr;
  std::vector<GroupShape> shapes_;
  std::optional<Error> stopped_;
};

}  // namespace

std::unique_ptr<gatun_plan> make_cuda_plan(gatun_context& context, const gatun_group* groups, int64_t count) {
  return std::make_unique<CudaPlan>(context, groups, count);
}

}  // namespace gatun
