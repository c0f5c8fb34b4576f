// problem.h - an optimization problem for a test: groups of tensors of given shapes, with data made from a seed, in
// buffers with poison on both sides.
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "check.h"
#include "gatun.h"

namespace test {

struct Shape {
  int64_t rows, length;
  bool matrix;
};
inline Shape vector_of(int64_t length) { return {length, length, false}; }
inline Shape matrix_of(int64_t rows, int64_t row_length) { return {rows, rows * row_length, true}; }

// What an optimizer of one group is: the rule, what stands before and after it.
struct Spec {
  std::string name;
  int32_t rule = GATUN_RULE_SGD;
  double lr = 0.01;
  gatun_sgd sgd{};
  gatun_adam adam{};
  // Of any other rule: its arguments' bytes, and what state they ask for.
  std::vector<int64_t> other;
  size_t other_slots = 0, other_scalars = 0;
  std::vector<gatun_transform> transforms;
  std::vector<gatun_average> averages;

  bool takes_inputs() const { return rule == GATUN_RULE_NSGD; }
  size_t rule_slots() const;
  const void* arguments() const;
  Spec& standardize(bool center = true, bool normalize = true, double eps = 1e-8);
  Spec& clip(double norm);
  Spec& lookahead(int64_t k, double alpha, bool skip_idle);
  Spec& ema(double tau);
  Spec& byol(double tau, int64_t steps);
};
Spec sgd(std::string name, double lr, double momentum = 0, double dampening = 0, bool nesterov = false,
         double weight_decay = 0, int32_t decay = GATUN_DECAY_L2);
Spec adam(std::string name, double lr, double weight_decay = 0, int32_t decay = GATUN_DECAY_L2, bool amsgrad = false,
          double softplus = 0);

template <class Arguments>
Spec rule(std::string name, int32_t number, double lr, const Arguments& arguments, size_t slots, size_t scalars = 0) {
  Spec spec;
  spec.name = std::move(name);
  spec.rule = number;
  spec.lr = lr;
  spec.other.resize((sizeof arguments + 7) / 8);
  std::memcpy(spec.other.data(), &arguments, sizeof arguments);
  spec.other_slots = slots, spec.other_scalars = scalars;
  return spec;
}

// Memory of n elements, aligned to an element and to nothing more, between bytes of 0xff: NaNs if they are read, and
// seen if they are written. Under ASan the redzone takes the place of the bytes behind.
class Buffer {
 public:
  Buffer(int64_t n, int32_t dtype);
  void* data() { return bytes_.get() + kFront; }
  const void* data() const { return bytes_.get() + kFront; }
  int64_t size() const { return n_; }
  size_t bytes() const { return size_t(n_) * element_; }
  size_t element_bytes() const { return element_; }
  double get(int64_t i) const;
  void set(int64_t i, double value);  // rounded to nearest
  bool padding_intact() const;

 private:
  static constexpr size_t kFront = 8;
#if defined(__SANITIZE_ADDRESS__)
  static constexpr size_t kBack = 0;
#else
  static constexpr size_t kBack = 128;
#endif
  int64_t n_;
  int32_t dtype_;
  size_t element_;
  std::unique_ptr<unsigned char[]> bytes_;
};

struct TensorData {
  Shape shape;
  int64_t flags;
  Buffer weight, gradient;
  std::vector<Buffer> state;
  bool idle = false;            // no gradient at this step
  Buffer master{0, GATUN_F32};  // as long as the weight where that is BF16 or F16
  // Of a rule that takes inputs: as in gatun_tensor, and what is bound at this step.
  int64_t powers = 0, input_groups = 1;
  std::optional<Buffer> input = {};
  gatun_input fed{};
};

// The types of a group's weights and gradients where they are not that of the arithmetic.
struct Types {
  int32_t weight = kArithmetic, gradient = kArithmetic;
  int32_t rounding = GATUN_NEAREST;
  int64_t seed = 0;
  static constexpr int32_t kArithmetic = -1;
};

struct GroupData {
  Spec spec;
  int32_t dtype;
  std::vector<TensorData> tensors;
  Buffer counters;  // of 64-bit integers; Buffer only guards them
  Types types{};
  int64_t counter(size_t i) const;
  int32_t weight_dtype() const { return types.weight == Types::kArithmetic ? dtype : types.weight; }
  int32_t gradient_dtype() const { return types.gradient == Types::kArithmetic ? dtype : types.gradient; }
};

struct GroupSetup {
  Spec spec;
  int32_t dtype;
  std::vector<Shape> shapes;
  Types types{};
};

class Problem {
 public:
  Problem(std::vector<GroupSetup> setups, uint64_t seed);

  std::vector<GroupData> groups;
  double gradient_magnitude = 0.1;

  // New gradients for step 1, 2, ...; some tensors have none when `idle` is on.
  void make_gradients(int64_t step, bool idle);

  std::vector<gatun_group> describe();      // the groups as the ABI wants them; valid while the problem lives
  std::vector<unsigned char> bits() const;  // weights, masters, state and counters, one after another
  bool padding_intact() const;
  std::vector<double> learning_rates() const;

 private:
  void make_input(TensorData& tensor, int32_t dtype, size_t index, uint64_t key);

  uint64_t seed_;
  std::vector<std::vector<gatun_tensor>> descriptions_;
};

// A context and a plan over a problem.
class Session {
 public:
  Session(Problem& problem, int32_t threads, int32_t isa = GATUN_ISA_AUTO);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void bind();  // the problem's gradients, or none for idle tensors
  gatun_status step(int64_t flags = 0, double gradient_scale = 1);
  gatun_status phases(int64_t flags = 0, double gradient_scale = 1);
  gatun_step_report report();
  gatun_plan* plan() { return plan_; }

 private:
  Problem& problem_;
  gatun_context* context_ = nullptr;
  gatun_plan* plan_ = nullptr;
};

double random_number(uint64_t seed, uint64_t index);  // roughly normal, variance 1; the same everywhere

}  // namespace test
