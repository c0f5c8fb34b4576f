// reference_test - every optimizer against the double-precision model, step by step: weights, state, counters, norm,
// what lies around the buffers, and gradients that must not change.
#include <algorithm>
#include <cmath>

#include "model.h"
#include "specs.h"

using namespace test;

namespace {

struct Largest {
  double weight = 0;
  std::vector<double> state;
};

// Compares a problem that the library has stepped with its model.
class Comparison {
 public:
  Comparison(const Problem& problem, double tolerance) : tolerance_(tolerance) {
    for (const GroupData& group : problem.groups) {
      largest_.emplace_back();
      for (const TensorData& tensor : group.tensors)
        largest_.back().push_back({0, std::vector<double>(tensor.state.size())});
    }
  }

  void weights(const std::string& name, int step, const Problem& problem, const Model& model) {
    for (size_t g = 0; g < model.groups.size(); ++g) {
      for (size_t t = 0; t < model.groups[g].tensors.size(); ++t) {
        const double e =
            error(problem.groups[g].tensors[t].weight, model.groups[g].tensors[t].weight, largest_[g][t].weight);
        worst = std::max(worst, e);
        CHECK(e <= tolerance_, "%s, step %d, group %zu, tensor %zu (%lld rows, %lld elements): weights differ by %g",
              name.c_str(), step, g, t, (long long)problem.groups[g].tensors[t].shape.rows,
              (long long)problem.groups[g].tensors[t].shape.length, e);
      }
    }
  }

  void state(const std::string& name, int step, const Problem& problem, const Model& model) {
    for (size_t g = 0; g < model.groups.size(); ++g) {
      const ModelGroup& group = model.groups[g];
      for (size_t t = 0; t < group.tensors.size(); ++t) {
        const TensorData& tensor = problem.groups[g].tensors[t];
        for (size_t s = 0; s < tensor.state.size(); ++s) {
          const double e = error(tensor.state[s], group.tensors[t].state[s], largest_[g][t].state[s]);
          CHECK(e <= tolerance_, "%s, step %d, group %zu, tensor %zu: state[%zu] differs by %g", name.c_str(), step, g,
                t, s, e);
        }
        CHECK(problem.groups[g].counter(t) == group.tensors[t].steps,
              "%s, step %d, group %zu, tensor %zu: counter %lld, not %lld", name.c_str(), step, g, t,
              (long long)problem.groups[g].counter(t), (long long)group.tensors[t].steps);
      }
      const int64_t counted = problem.groups[g].counter(group.tensors.size());
      CHECK(counted == group.steps, "%s, step %d, group %zu: group counter %lld, not %lld", name.c_str(), step, g,
            (long long)counted, (long long)group.steps);
    }
  }

  double worst = 0;

 private:
  double tolerance_;
  std::vector<std::vector<Largest>> largest_;
};

// Is the norm of this step known: are all gradients summed, also without the finite check? There must be one.
bool norm_known(const Problem& problem, int64_t flags) {
  bool known = true;
  for (const GroupData& group : problem.groups)
    for (const TensorData& tensor : group.tensors)
      if (!tensor.idle) known = known && ((flags & GATUN_CHECK_FINITE) != 0 || !group.spec.transforms.empty());
  return known;
}
bool any_gradient(const Problem& problem) {
  for (const GroupData& group : problem.groups)
    for (const TensorData& tensor : group.tensors)
      if (!tensor.idle) return true;
  return false;
}

void compare(const std::string& name, std::vector<GroupSetup> setups, int steps, double tolerance, int32_t threads,
             double gradient_scale, int64_t flags) {
  Problem problem(std::move(setups), 20230515);
  problem.gradient_magnitude = 0.1 / gradient_scale;
  Model model(problem);
  Session session(problem, threads);
  Comparison comparison(problem, tolerance);
  std::vector<std::vector<unsigned char>> before;
  for (int step = 1; step <= steps && failures < 25; ++step) {
    problem.make_gradients(step, true);
    session.bind();
    before.clear();
    for (const GroupData& group : problem.groups)
      for (const TensorData& tensor : group.tensors) {
        const auto* bytes = static_cast<const unsigned char*>(tensor.gradient.data());
        before.emplace_back(bytes, bytes + tensor.gradient.bytes());
      }
    CHECK_OK(session.step(flags, gradient_scale));
    model.step(problem, gradient_scale);

    CHECK(problem.padding_intact(), "%s, step %d: bytes beside a buffer were written", name.c_str(), step);
    size_t k = 0;
    for (const GroupData& group : problem.groups)
      for (const TensorData& tensor : group.tensors) {
        const bool same = tensor.gradient.bytes() == 0 ||
                          std::memcmp(before[k].data(), tensor.gradient.data(), tensor.gradient.bytes()) == 0;
        CHECK(same, "%s, step %d: gradient %zu was changed", name.c_str(), step, k);
        ++k;
      }
    comparison.weights(name, step, problem, model);
    if (step <= 2 || step == 7 || step == steps) comparison.state(name, step, problem, model);

    const gatun_step_report report = session.report();
    CHECK(report.skipped == 0 && report.skipped_group == -1 && report.skipped_tensor == -1, "%s: step %d was refused",
          name.c_str(), step);
    if (!any_gradient(problem)) continue;
    if (norm_known(problem, flags)) {
      CHECK(std::fabs(report.gradient_norm - model.gradient_norm) <= 1e-12 * model.gradient_norm,
            "%s, step %d: gradient norm %.17g, not %.17g", name.c_str(), step, report.gradient_norm,
            model.gradient_norm);
    } else {
      CHECK(std::isnan(report.gradient_norm), "%s: gradient norm %g although not all is summed", name.c_str(),
            report.gradient_norm);
    }
  }
  if (flag("GATUN_TEST_VERBOSE")) std::printf("%-48s %.2e\n", name.c_str(), comparison.worst);
}

double tolerance_of(int32_t dtype) { return dtype == GATUN_F64 ? 1e-12 : 5e-6; }

std::vector<GroupSetup> one_group(const Spec& spec, int32_t dtype, std::vector<Shape> shapes) {
  return {{spec, dtype, std::move(shapes)}};
}

void clip_over_groups(int32_t dtype) {
  const std::vector<Shape> shapes = {vector_of(3000), matrix_of(7, 577), vector_of(1)};
  compare("clip over groups",
          {{adam("", 1e-2).clip(0.7), GATUN_F32, shapes},
           {adam("", 1e-3, 0.1), GATUN_F32, shapes},  // does not clip and does not count
           {sgd("", 0.05, 0.9).clip(0.7), dtype, shapes},
           {sgd("", 0.05), dtype, {}},
           {sgd("", 0.01, 0.9, 0, true).clip(3).standardize(), dtype, shapes}},
          20, 5e-6, 3, 1, 0);
}

}  // namespace

int main() {
  const bool slow = flag("GATUN_TEST_SLOW_BUILD");  // sanitizers, unoptimized mutants
  const int few = slow ? 7 : 20;
  for (const Spec& spec : all_specs()) {
    for (const int32_t dtype : {GATUN_F32, GATUN_F64}) {
      const std::string name = spec.name + (dtype == GATUN_F64 ? " f64" : " f32");
      compare(name, one_group(spec, dtype, all_shapes()), few, tolerance_of(dtype), 3, 1, 0);
    }
  }
  // what the step itself takes: loss scale and finite check, which must not disturb a healthy step
  for (const int32_t dtype : {GATUN_F32, GATUN_F64}) {
    for (const double scale : {1.0 / 1024, 1.0 / 3}) {
      const auto sing = adam("", 5e-3, 5e-3, GATUN_DECAY_DECOUPLED, false, 50).standardize().lookahead(5, 0.5, true);
      compare("scaled sing", one_group(sing, dtype, all_shapes()), few, tolerance_of(dtype), 2, scale, 0);
      compare("scaled adamw", one_group(adam("", 1e-3, 0.1, GATUN_DECAY_DECOUPLED), dtype, all_shapes()), few,
              tolerance_of(dtype), 2, scale, GATUN_CHECK_FINITE);
      compare("scaled clip", one_group(sgd("", 0.05, 0.9).clip(0.4), dtype, all_shapes()), few, tolerance_of(dtype), 2,
              scale, GATUN_CHECK_FINITE);
    }
    clip_over_groups(dtype);
  }
  // large tensors: a prime number of elements, and rows longer than many chunks
  for (const int32_t dtype : {GATUN_F32, GATUN_F64}) {
    const int steps = slow ? 2 : 20;
    const std::vector<Shape> large = {vector_of(1000007)}, wide = {matrix_of(13, 20011), matrix_of(100, 577)};
    compare("large adamw", one_group(adam("", 1e-3, 0.1, GATUN_DECAY_DECOUPLED), dtype, large), steps,
            tolerance_of(dtype), 2, 1, 0);
    compare("large sing", one_group(adam("", 5e-3, 0, 0, false, 50).standardize(), dtype, large), steps,
            tolerance_of(dtype), 3, 1, 0);
    compare("wide sing", one_group(adam("", 5e-3, 0, 0, false, 50).standardize(), dtype, wide), steps,
            tolerance_of(dtype), 3, 1, 0);
  }
  return result("reference");
}
