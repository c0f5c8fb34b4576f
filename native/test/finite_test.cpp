// finite_test - with GATUN_CHECK_FINITE a NaN or an infinity anywhere in any gradient changes no bit of anything.
#include <cmath>
#include <limits>

#include "specs.h"

using namespace test;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();

std::vector<Spec> specs() {
  return {
      sgd("sgd", 0.05),
      sgd("momentum", 0.05, 0.9, 0, true, 0.1),
      adam("adamw", 1e-3, 0.1, GATUN_DECAY_DECOUPLED, true),
      adam("sing", 5e-3, 0.1, GATUN_DECAY_DECOUPLED, false, 50).standardize().lookahead(2, 0.5, true),
      adam("clip", 1e-3).clip(0.5).ema(0.9),
  };
}

// Puts `bad` at one place and expects a refusal that names it.
void refuse(const std::string& name, Problem& problem, Session& session, size_t g, size_t t, int64_t i, double bad) {
  Buffer& gradient = problem.groups[g].tensors[t].gradient;
  const double good = gradient.get(i);
  gradient.set(i, bad);
  const std::vector<unsigned char> before = problem.bits();
  CHECK_OK(session.step(GATUN_CHECK_FINITE));
  const gatun_step_report report = session.report();
  CHECK(report.skipped == 1, "%s: %g at element %lld of group %zu, tensor %zu was not noticed", name.c_str(), bad,
        (long long)i, g, t);
  CHECK(report.skipped_group == int64_t(g) && report.skipped_tensor == int64_t(t),
        "%s: %g in group %zu, tensor %zu is reported in group %lld, tensor %lld", name.c_str(), bad, g, t,
        (long long)report.skipped_group, (long long)report.skipped_tensor);
  CHECK(problem.bits() == before, "%s: %g at element %lld of group %zu, tensor %zu changed something", name.c_str(),
        bad, (long long)i, g, t);
  CHECK(problem.padding_intact(), "%s: bytes beside a buffer were written", name.c_str());
  gradient.set(i, good);
}

// Every position of small tensors, the chunk edges of large ones; between refusals the steps go on as if none had been.
void everywhere(const Spec& spec, int32_t dtype, bool slow) {
  const std::vector<Shape> shapes = {vector_of(1), vector_of(33), matrix_of(3, 5), matrix_of(1, 40),
                                     vector_of(slow ? 70 : 300)};
  const std::vector<Shape> large = {vector_of(8193), matrix_of(2, 4100), matrix_of(500, 9)};
  const std::string name = spec.name + (dtype == GATUN_F64 ? " f64" : " f32");
  Problem problem({{spec, dtype, shapes}, {spec, dtype, large}}, 5),
      undisturbed({{spec, dtype, shapes}, {spec, dtype, large}}, 5);
  Session session(problem, 3), other(undisturbed, 2);
  problem.make_gradients(1, false);
  for (size_t t = 0; t < shapes.size(); ++t)
    for (int64_t i = 0; i < shapes[t].length; ++i)
      for (const double bad : {kNaN, kInfinity, -kInfinity}) refuse(name, problem, session, 0, t, i, bad);
  for (int step = 1; step <= 3; ++step) {
    problem.make_gradients(step, false);
    undisturbed.make_gradients(step, false);
    CHECK_OK(session.step(GATUN_CHECK_FINITE));
    CHECK_OK(other.step(0));
    CHECK(session.report().skipped == 0, "%s: step %d is refused for an earlier step's gradient", name.c_str(), step);
    for (size_t t = 0; t < large.size(); ++t)
      for (const int64_t i :
           {int64_t(0), int64_t(2047), int64_t(2048), int64_t(4095), int64_t(4096), large[t].length - 1})
        for (const double bad : {kNaN, kInfinity, -kInfinity})
          if (!slow || std::isnan(bad)) refuse(name, problem, session, 1, t, i, bad);
  }
  CHECK(problem.bits() == undisturbed.bits(), "%s: refused steps left a trace in the steps that followed",
        name.c_str());
}

void edges_of_the_check() {
  const Spec spec = adam("", 1e-3);
  Problem problem(
      {{spec, GATUN_F32, {vector_of(50), vector_of(60)}}, {spec, GATUN_F64, {vector_of(50), vector_of(60)}}}, 3);
  Session session(problem, 2);
  problem.make_gradients(1, false);
  // a float whose square no float can be, with room for the rules' differences: 2^62 and a little more
  problem.groups[0].tensors[1].gradient.set(3, 4.6e18);
  CHECK_OK(session.step(GATUN_CHECK_FINITE));
  CHECK(session.report().skipped == 0, "a float whose square is one was refused");
  problem.groups[0].tensors[1].gradient.set(3, 0.1);
  for (const double large : {4.62e18, -3.4e38}) refuse("overflowing square", problem, session, 0, 1, 3, large);
  // the largest doubles: their sum of squares overflows
  refuse("overflowing sum", problem, session, 1, 1, 7, 1e200);
  // the first of several is named
  problem.groups[1].tensors[0].gradient.set(3, kNaN);
  refuse("first of several", problem, session, 0, 1, 59, kInfinity);
  // a tensor without a gradient is not looked at
  problem.groups[1].tensors[0].idle = true;
  session.bind();
  CHECK_OK(session.step(GATUN_CHECK_FINITE));
  CHECK(session.report().skipped == 0, "a gradient that is not bound was looked at");
}

// What counts is what the rule is given: a clip, a norm or the scale can make it small enough, and the scale too large.
void overflow_of_what_is_transformed() {
  const Spec plain = adam("", 1e-3);
  for (const Spec& spec : {plain, Spec(plain).clip(0.5), Spec(plain).standardize()}) {
    Problem problem({{spec, GATUN_F32, {vector_of(50), matrix_of(3, 2049)}}}, 3);
    Session session(problem, 2);
    const bool transformed = !spec.transforms.empty();
    for (int step = 1; step <= 3; ++step) {
      problem.make_gradients(step, false);
      for (int64_t i = 0; i < 50; ++i) problem.groups[0].tensors[0].gradient.set(i, i % 2 == 0 ? 3.4e38 : 1e38);
      CHECK_OK(session.step(GATUN_CHECK_FINITE));
      CHECK(session.report().skipped == !transformed, "%zu transformations: 3.4e38 refused: %d", spec.transforms.size(),
            int(session.report().skipped));
      for (int64_t i = 0; i < 50; ++i)
        CHECK(std::isfinite(problem.groups[0].tensors[0].weight.get(i)), "weight %lld is not finite", (long long)i);
    }
    if (transformed) continue;
    CHECK_OK(session.step(GATUN_CHECK_FINITE, 1e-30));
    CHECK(session.report().skipped == 0, "3.4e38 times 1e-30 was refused");
    problem.make_gradients(1, false);
    CHECK_OK(session.step(GATUN_CHECK_FINITE, 1e30));
    CHECK(session.report().skipped == 1, "about 1, times 1e30, was not refused");
  }
}

// GATUN_ZERO_GRADIENTS clears what is bound, after a step and after a refusal, and nothing else.
void zeroing() {
  Problem problem({{adam("", 1e-3).standardize(), GATUN_F32, {vector_of(33), matrix_of(3, 2049), vector_of(5)}}}, 9);
  Session session(problem, 2);
  for (const bool bad : {false, true}) {
    problem.make_gradients(1, false);
    problem.groups[0].tensors[2].idle = true;
    session.bind();
    if (bad) problem.groups[0].tensors[1].gradient.set(6146, kNaN);
    const std::vector<unsigned char> before = problem.bits();
    CHECK_OK(session.step(GATUN_CHECK_FINITE | GATUN_ZERO_GRADIENTS));
    CHECK(session.report().skipped == bad, "refused: %d", int(session.report().skipped));
    CHECK((problem.bits() == before) == bad, "changed: %d", problem.bits() != before);
    for (size_t t = 0; t < 2; ++t)
      for (int64_t i = 0; i < problem.groups[0].tensors[t].gradient.size(); ++i)
        CHECK(problem.groups[0].tensors[t].gradient.get(i) == 0, "gradient %zu[%lld] is not cleared", t, (long long)i);
    for (int64_t i = 0; i < 5; ++i)
      CHECK(problem.groups[0].tensors[2].gradient.get(i) != 0, "an unbound gradient was cleared");
    CHECK(problem.padding_intact(), "bytes beside a buffer were written");
  }
}

// The sums that the check takes anyway are each tensor's norm: after a step, and of other gradients after gatun_reduce.
void norms() {
  for (const Spec& spec : specs())
    for (const int32_t dtype : {GATUN_F32, GATUN_F64}) {
      Problem problem({{spec, dtype, {vector_of(33), matrix_of(3, 5000), matrix_of(500, 9), vector_of(8193)}},
                       {spec, dtype, {vector_of(1), matrix_of(2, 3)}}},
                      7);
      Session session(problem, 3);
      const auto expect = [&](const char* when) {
        double found[6];
        CHECK_OK(gatun_gradient_norms(session.plan(), found));
        const double* next = found;
        for (const auto& group : problem.groups)
          for (const auto& tensor : group.tensors) {
            double sum = 0;
            for (int64_t i = 0; i < tensor.gradient.size(); ++i) sum += tensor.gradient.get(i) * tensor.gradient.get(i);
            CHECK(std::fabs(*next - std::sqrt(sum)) <= 1e-13 * std::sqrt(sum), "%s %s: norm %td is %g, should be %g",
                  spec.name.c_str(), when, next - found, *next, std::sqrt(sum));
            ++next;
          }
      };
      problem.make_gradients(1, false);
      CHECK_OK(session.step(GATUN_CHECK_FINITE, 0.5));
      expect("after a step");
      problem.make_gradients(2, false);
      const std::vector<double> rates = problem.learning_rates();
      const gatun_step_arguments arguments{rates.data(), 1, GATUN_CHECK_FINITE};
      CHECK_OK(gatun_reduce(session.plan(), &arguments));
      expect("after gatun_reduce");
    }
}

// Without the check, IEEE arithmetic: a NaN spoils its own element, and under a norm its whole tensor, and nothing
// else.
void without_check() {
  const std::vector<Shape> shapes = {vector_of(40), vector_of(40)};
  for (const bool standardized : {false, true}) {
    Spec spec = adam("", 1e-3);
    if (standardized) spec.standardize();
    Problem problem({{spec, GATUN_F32, shapes}}, 13);
    Session session(problem, 2);
    problem.make_gradients(1, false);
    problem.groups[0].tensors[0].gradient.set(17, kNaN);
    CHECK_OK(session.step(0));
    CHECK(session.report().skipped == 0, "a step without the check was refused");
    CHECK(problem.groups[0].counter(0) == 1, "the counter did not advance");
    for (int64_t i = 0; i < 40; ++i) {
      const bool spoiled = std::isnan(problem.groups[0].tensors[0].weight.get(i));
      CHECK(spoiled == (standardized || i == 17), "weight %lld is NaN: %d (standardized: %d)", (long long)i, spoiled,
            standardized);
      CHECK(!std::isnan(problem.groups[0].tensors[1].weight.get(i)), "the NaN reached another tensor");
    }
  }
}

}  // namespace

int main() {
  const bool slow = flag("GATUN_TEST_SLOW_BUILD");
  for (const Spec& spec : specs())
    for (const int32_t dtype : {GATUN_F32, GATUN_F64}) everywhere(spec, dtype, slow);
  edges_of_the_check();
  overflow_of_what_is_transformed();
  zeroing();
  norms();
  without_check();
  return result("finite");
}
