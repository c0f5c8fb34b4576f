// plan.h - a plan on the CPU: tables, and who does which part of a step.
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "core/plan.h"
#include "rules/gradient.h"
#include "rules/moments.h"
#include "rules/power.h"
#include "rules/step.h"

namespace gatun {

class CpuPlan final : public gatun_plan {
 public:
  CpuPlan(gatun_context& context, const gatun_group* groups, int64_t count);

  void gradient(int64_t group, int64_t tensor, void* address, int32_t dtype) override;
  void input(int64_t group, int64_t tensor, const gatun_input* input) override;
  void reduce(const gatun_step_arguments& arguments) override;
  void finalize(const gatun_step_arguments& arguments) override;
  void apply(const gatun_step_arguments& arguments) override;
  void step(const gatun_step_arguments& arguments) override;
  gatun_step_report report() override { return report_; }
  void gradient_norms(double* norms) override;
  void values(const gatun_step_arguments& arguments) override { check_step(arguments, int64_t(groups_.size())); }

 private:
  struct Group {
    gatun_group description;  // its tensors and arguments pointers are replaced by what follows
    std::vector<int64_t> arguments;
    const Kernels* kernels;
    Updates update;
    int32_t slots;      // of the rule
    int32_t averages;   // the first average's slot: behind the rule's slots and scalars
    int32_t rule_sums;  // sums that the rule needs
    bool pools;         // ... of all tensors with that rule
    bool rows;          // ... of rows, each of which drops a part of its weights of its own
    bool inputs;        // does the rule take its layers' inputs?
    bool absolute;      // ... and the sums of their absolute values?
    double pooled[kMaxSums];
    int64_t first_tensor;
    bool centers, sums;  // needs row means; needs the gradient's moments
    bool clips;
    bool moves_idle;                   // averages also move tensors without a gradient
    double parts[GATUN_MAX_AVERAGES];  // how much of the way the averages go at this step
    bool half;                         // weights are BF16 or F16, with masters
    // Coefficients by (steps taken, decay): nearly always the same few for all tensors of a group.
    struct Cached {
      int64_t t;
      bool decay;
      alignas(64) unsigned char bytes[kCoefficientBytes];
    };
    std::vector<Cached> cached;
    std::vector<Cached> own;  // of rules with sums: each tensor its own, and in `cached` those for the sums
    int32_t transformed;      // transformations already worked out, within finalize
  };

  struct Tensor {
    void* weight;
    void* gradient;
    void* master;
    void* state[GATUN_MAX_STATE];
    int64_t number;
    int32_t gradient_dtype;
    Geometry geometry;
    int32_t group;
    bool decay, centered;
    bool row_sums;  // a rule with rows, and two or more dimensions
    int64_t* steps;
    int64_t first_partial;
    int64_t first_rule_partial;  // of the rule's sums: one for each chunk, or for each row where rows are not cut
    unsigned char* drop;         // the rows' factors; null unless its rule has rows
    unsigned char *hi, *lo;      // row means; null unless centered
    // Of the step under way.
    GradientState state_of_gradient;
    const void* before;  // coefficients for the rule's sums
    const void* coefficients;
    bool first;   // the tensor's first step
    bool begins;  // its master is still to be filled from its weight
    int32_t powered = -1;
  };

  // Of a tensor whose layer has an input.
  struct Powered {
    int32_t tensor;
    bool bound = false;  // is there an input?
    gatun_input input{};
    PowerGeometry geometry{};
    std::vector<double> parts;            // of the input's power, as PowerGeometry numbers them
    std::vector<double> means, inverses;  // by channel
    // Where there are several channels: each one's factor `repeat` times, as the elements of the rows need them.
    std::vector<unsigned char> factors;
    int64_t repeat, row_length, rows_per_group;
  };

  // Of a tensor whose sums come from several threads, within step().
  struct Handover {
    std::atomic<int> parts_left;
    std::atomic<bool> ready;
  };

  // Consecutive chunks of one tensor, done by one thread.
  struct Span {
    int32_t tensor;
    int64_t begin, end;
  };

  bool takes_part(const Tensor& t) const { return t.gradient != nullptr || groups_[size_t(t.group)].moves_idle; }
  bool whole(const Span& span) const {
    return span.begin == 0 && span.end == tensors_[size_t(span.tensor)].geometry.chunks;
  }
  size_t tensor_index(int64_t group, int64_t tensor) const;
  void share_out();
  bool sums_wanted(const gatun_step_arguments& arguments) const;
  void reduce_span(const Span& span);
  void apply_span(const Span& span, int64_t flags);
  bool averages_now(const Group& group, const Tensor& tensor, const gatun_average& average) const;
  void apply_block(const Group& group, const Tensor& tensor, int64_t begin, int64_t n, int64_t flags);
  const void* gradient_chunk(const Group& group, const Tensor& tensor, int64_t begin, int64_t n, float* room) const;
  const void* weight_chunk(const Group& group, const Tensor& tensor, int64_t begin, int64_t n, float* room) const;
  void merge(Tensor& tensor);
  Affine affine_of(const Group& group, const Tensor& tensor, int64_t begin) const;
  void rule_sums_span(const Span& span);
  void rule_sums_piece(const Group& group, const Tensor& tensor, ChunkRange range, double* sums);
  void merge_rule_sums(const Tensor& tensor, double* sums) const;
  void merge_cut_rows(const Tensor& tensor);
  void pool_rule_sums();
  void finish_rule(Tensor& tensor, double lr);
  void begin(const gatun_step_arguments& arguments);
  void report_norm(const gatun_step_arguments& arguments);
  void advance(const gatun_step_arguments& arguments, bool rules_summed);
  void add_powered(Tensor& tensor, const gatun_tensor& from);
  bool wanted(const Powered& powered) const { return powered.bound && tensors_[size_t(powered.tensor)].gradient; }
  const Powered* fed(const Tensor& tensor) const;
  void reduce_powers();
  void merge_powers();
  bool powers_finite(const Tensor& tensor) const;
  void finish_powers(Tensor& tensor, double lr);
  bool may_interleave(const gatun_step_arguments& arguments) const;
  bool find_offender(const gatun_step_arguments& arguments);
  bool find_overflow(const gatun_step_arguments& arguments);
  void refuse(size_t tensor, bool input);
  static void standardize(const gatun_group& group, int32_t from, Tensor& tensor);
  void transform();
  using Compute = void (*Kernels::*)(int32_t, const void*, const RuleStep&, void*);
  static const void* cached(Group& group, Compute compute, int64_t t, bool decay, double lr);

  std::vector<Group> groups_;
  std::vector<Tensor> tensors_;
  std::vector<Powered> powered_;
  std::vector<Partial> partials_;
  std::vector<double> rule_partials_;  // kMaxSums for each chunk or row
  std::vector<unsigned char> drops_;
  std::vector<unsigned char> row_means_;
  std::vector<std::vector<Span>> spans_;   // one list per thread
  std::unique_ptr<Handover[]> handovers_;  // one for each tensor
  int threads_used_ = 1;
  bool stale_ = true;    // spans_ must be worked out again: a gradient has come or gone
  bool summed_ = false;  // partials_ hold this step's sums
  gatun_step_report report_{};
};

}  // namespace gatun
