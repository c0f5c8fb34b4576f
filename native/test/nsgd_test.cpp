// nsgd_test - rules that take layer inputs: ALGORITHMS' formulas in long double over every kind of layer, and what is
// special about inputs: refusals, silence, powers that are given, steps without.
#include <cmath>
#include <limits>

#include "specs.h"

using namespace test;

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();

Spec nsgd(const gatun_nsgd& arguments) {
  return rule("", GATUN_RULE_NSGD, 0.05, arguments, arguments.momentum != 0 ? 1 : 0, 1);
}

// One tensor as the formulas want it.
struct Reference {
  std::vector<long double> w, b, p;
  int64_t t = 0;

  explicit Reference(const TensorData& tensor) : b(size_t(tensor.shape.length)), p(size_t(tensor.powers)) {
    for (int64_t i = 0; i < tensor.shape.length; ++i) w.push_back(tensor.weight.get(i));
  }

  void step(const gatun_nsgd& a, double lr, const TensorData& tensor) {
    if (tensor.idle) return;
    ++t;
    std::vector<long double> d(p.size());
    for (size_t c = 0; c < p.size(); ++c) {
      const gatun_input& x = tensor.fed;
      long double n = 0;
      if (x.power) {
        n = tensor.input->get(int64_t(c));
      } else {
        for (int64_t s = 0; s < x.samples; ++s)
          for (int64_t i = 0; i < x.area; ++i) {
            const long double value = tensor.input->get((s * x.channels + int64_t(c)) * x.area + i);
            n += a.l1 ? std::fabs(value) : value * value;
          }
        n /= x.samples;
      }
      p[c] = t == 1 ? n : a.input_beta * p[c] + (1 - static_cast<long double>(a.input_beta)) * n;
      d[c] = a.log ? std::fmax(std::log(p[c]), static_cast<long double>(a.eps)) : p[c] + a.eps;
    }
    const int64_t row_length = tensor.shape.rows > 0 ? tensor.shape.length / tensor.shape.rows : 0;
    for (int64_t i = 0; i < tensor.shape.length; ++i) {
      long double divisor = 1;
      if (tensor.powers == 1) divisor = d[0];
      if (tensor.powers > 1) {
        const int64_t channels = tensor.powers / tensor.input_groups;
        const int64_t group = i / row_length / (tensor.shape.rows / tensor.input_groups);
        divisor = d[size_t(group * channels + i % row_length / (row_length / channels))];
      }
      long double &weight = w[size_t(i)], &memory = b[size_t(i)], g = tensor.gradient.get(i), u;
      if (a.pre) g /= divisor;
      if (tensor.flags & GATUN_TENSOR_DECAY) g += a.weight_decay * weight;
      memory = t == 1 || a.momentum == 0 ? g : a.momentum * memory + (1 - a.dampening) * g;
      u = a.nesterov ? g + a.momentum * memory : memory;
      weight -= lr * (a.pre ? u : u / divisor);
    }
  }
};

void compare(const gatun_nsgd& a, int32_t dtype) {
  const Spec spec = nsgd(a);
  Problem problem({{spec, dtype, all_shapes()}}, 17);
  Session session(problem, 3);
  std::vector<TensorData>& tensors = problem.groups[0].tensors;
  std::vector<Reference> references(tensors.begin(), tensors.end());
  const double tolerance = dtype == GATUN_F64 ? 1e-12 : 5e-6;
  for (int step = 1; step <= 6; ++step) {
    problem.make_gradients(step, true);
    session.bind();
    CHECK_OK(session.step(step % 2 == 0 ? GATUN_CHECK_FINITE : 0));
    CHECK(session.report().skipped == 0, "step %d was refused", step);
    CHECK(problem.padding_intact(), "bytes beside a buffer were written");
    for (size_t k = 0; k < tensors.size(); ++k) {
      Reference& r = references[k];
      r.step(a, spec.lr, tensors[k]);
      long double worst = 0, largest = 0, power = 0;
      for (size_t i = 0; i < r.w.size(); ++i) {
        worst = std::fmax(worst, std::fabs(tensors[k].weight.get(int64_t(i)) - r.w[i]));
        largest = std::fmax(largest, std::fabs(r.w[i]));
      }
      for (size_t c = 0; c < r.p.size() && r.t > 0; ++c)
        power = std::fmax(power, std::fabs(tensors[k].state.back().get(int64_t(c)) - r.p[c]) / (r.p[c] + 1e-300L));
      CHECK(worst <= tolerance * largest, "momentum %g, l1 %d, log %d, pre %d, step %d, tensor %zu: off by %Lg of %Lg",
            a.momentum, a.l1, a.log, a.pre, step, k, worst, largest);
      CHECK(power <= 1e-12, "step %d, tensor %zu: a power is off by %Lg of itself", step, k, power);
    }
  }
}

const gatun_nsgd kPlain{0.9, 0, 0.05, 0.01, 0.5, 0, 0, 0, 0};

// Not finite, or negative where a power is given: a refusal that names the input and changes nothing.
void refusals() {
  Problem problem({{adam("", 1e-3), GATUN_F32, {vector_of(5)}},
                   {nsgd(kPlain), GATUN_F32, {matrix_of(4, 10), matrix_of(4, 18), matrix_of(6, 5), matrix_of(2, 9)}}},
                  3);
  Session session(problem, 2);
  for (int step = 1; step <= 4; ++step) {
    problem.make_gradients(step, false);
    session.bind();
    CHECK_OK(session.step(GATUN_CHECK_FINITE));
    CHECK(session.report().skipped == 0 && session.report().skipped_input == 0, "a healthy step was refused");
    const std::vector<unsigned char> before = problem.bits();
    for (int64_t t = 0; t < 4; ++t) {
      TensorData& tensor = problem.groups[1].tensors[size_t(t)];
      for (int64_t i = 0; i < tensor.input->size(); i += 1 + tensor.input->size() / 50)
        for (const double bad : {kNaN, kInfinity, -kInfinity, tensor.fed.power ? -1.0 : kNaN}) {
          const double good = tensor.input->get(i);
          tensor.input->set(i, bad);
          CHECK_OK(session.step(GATUN_CHECK_FINITE));
          const gatun_step_report report = session.report();
          CHECK(report.skipped == 1 && report.skipped_input == 1 && report.skipped_group == 1 &&
                    report.skipped_tensor == t,
                "%g at %lld of tensor %lld's input: skipped %lld, input %lld, tensor %lld", bad, (long long)i,
                (long long)t, (long long)report.skipped, (long long)report.skipped_input,
                (long long)report.skipped_tensor);
          CHECK(problem.bits() == before, "%g in tensor %lld's input changed something", bad, (long long)t);
          tensor.input->set(i, good);
        }
    }
    problem.groups[1].tensors[0].gradient.set(3, kNaN);
    CHECK_OK(session.step(GATUN_CHECK_FINITE));
    CHECK(session.report().skipped == 1 && session.report().skipped_input == 0, "a gradient is reported as an input");
  }
}

// Inputs of nothing but zeros divide by eps, in every form.
void silence() {
  for (const int32_t log : {0, 1}) {
    gatun_nsgd a{0, 0, 0, 0.25, 0.5, 0, 0, log, 1};
    Problem problem({{nsgd(a), GATUN_F64, {matrix_of(4, 10), matrix_of(4, 18)}}}, 3);
    Session session(problem, 1);
    problem.make_gradients(1, false);
    std::vector<double> before;
    for (TensorData& tensor : problem.groups[0].tensors) {
      before.push_back(tensor.weight.get(0));
      for (int64_t i = 0; i < tensor.input->size(); ++i) tensor.input->set(i, 0);
    }
    session.bind();
    CHECK_OK(session.step(GATUN_CHECK_FINITE));
    for (size_t t = 0; t < 2; ++t) {
      const TensorData& tensor = problem.groups[0].tensors[t];
      CHECK(tensor.weight.get(0) == std::fma(-0.05, tensor.gradient.get(0) * 4, before[t]), "log %d: %.17g", log,
            tensor.weight.get(0));
      CHECK(tensor.state[0].get(0) == 0, "the power of nothing is %g", tensor.state[0].get(0));
    }
  }
}

// The powers that a batch left in the state, given in its place, make the same bits.
void given_powers() {
  gatun_nsgd a = kPlain;
  a.input_beta = 0;
  const std::vector<Shape> shapes = {matrix_of(4, 10), matrix_of(4, 18), matrix_of(6, 577), vector_of(5)};
  Problem summed({{nsgd(a), GATUN_F32, shapes}}, 3), given({{nsgd(a), GATUN_F32, shapes}}, 3);
  Session session(summed, 2), other(given, 1);
  for (int step = 1; step <= 3; ++step) {
    summed.make_gradients(step, false);
    given.make_gradients(step, false);
    session.bind();
    CHECK_OK(session.step(GATUN_CHECK_FINITE));
    for (size_t t = 0; t < 3; ++t) {
      TensorData& tensor = given.groups[0].tensors[t];
      tensor.input.emplace(tensor.powers, GATUN_F64);
      for (int64_t c = 0; c < tensor.powers; ++c) tensor.input->set(c, summed.groups[0].tensors[t].state.back().get(c));
      tensor.fed = {tensor.input->data(), 0, tensor.powers, 0, GATUN_F32, 1};
    }
    other.bind();
    CHECK_OK(other.step(GATUN_CHECK_FINITE));
    CHECK(summed.bits() == given.bits(), "step %d: powers that are given make other bits", step);
  }
}

// Without an input a step is momentum SGD and leaves the powers alone; a negative power makes the next input the first.
void absence() {
  gatun_nsgd a = kPlain;
  Problem problem({{nsgd(a), GATUN_F32, {matrix_of(4, 18)}}}, 5),
      plain({{sgd("", 0.05, 0.9, 0, false, 0.05), GATUN_F32, {matrix_of(4, 18)}}}, 5);
  TensorData& tensor = problem.groups[0].tensors[0];
  tensor.state[1].set(0, -1);
  Session session(problem, 1), other(plain, 1);
  for (int step = 1; step <= 3; ++step) {
    problem.make_gradients(step, false);
    plain.make_gradients(step, false);
    CHECK_OK(session.step(0));
    CHECK_OK(other.step(0));
    CHECK(std::memcmp(tensor.weight.data(), plain.groups[0].tensors[0].weight.data(), tensor.weight.bytes()) == 0,
          "step %d without an input is not plain", step);
    CHECK(tensor.state[1].get(0) == -1, "a step without an input has a power");
  }
  session.bind();
  CHECK_OK(session.step(0));
  const double first = tensor.state[1].get(0);
  Reference reference(tensor);
  reference.step(a, 0.05, tensor);
  CHECK(std::fabs(first - double(reference.p[0])) <= 1e-12 * first, "the first power is %g, not %Lg", first,
        reference.p[0]);
  tensor.input->set(0, 100);                                  // another power, if it were looked at
  CHECK_OK(gatun_plan_input(session.plan(), 0, 0, nullptr));  // and none again
  CHECK_OK(session.step(0));
  CHECK(tensor.state[1].get(0) == first, "a step after its input was taken back has a power");
}

}  // namespace

int main() {
  for (const int32_t dtype : {GATUN_F32, GATUN_F64})
    for (const gatun_nsgd& a :
         {kPlain, gatun_nsgd{0, 0, 0.05, 0.5, 0, 0, 1, 0, 1}, gatun_nsgd{0.9, 0.3, 0.05, 0.5, 0.9, 0, 0, 1, 1},
          gatun_nsgd{0.5, 0, 0.05, 0.2, 0, 1, 1, 1, 0}, gatun_nsgd{0.5, 0, 0.05, 2, 0.7, 1, 0, 0, 1}})
      compare(a, dtype);
  refusals();
  silence();
  given_powers();
  absence();
  return result("nsgd");
}
