// bits_test - the same bits from every instruction set of this CPU, any number of threads, every run, and the phases one by
// one; and from a tensor alone as among thousands.
#include "specs.h"

using namespace test;

namespace {

const char* isa_name(int32_t isa) {
  return isa == GATUN_ISA_SCALAR ? "scalar" : isa == GATUN_ISA_AVX2 ? "avx2" : "avx512";
}

std::vector<GroupSetup> setup(const Spec& spec, const std::vector<Shape>& shapes) {
  return {{spec, GATUN_F32, shapes}, {spec, GATUN_F64, shapes}};
}

std::vector<unsigned char> run(const std::vector<GroupSetup>& setups, int32_t isa, int32_t threads, bool phases, int steps) {
  Problem problem(setups, 7);
  Session session(problem, threads, isa);
  for (int step = 1; step <= steps; ++step) {
    problem.make_gradients(step, true);
    session.bind();
    CHECK_OK(phases ? session.phases(GATUN_CHECK_FINITE, 0.3) : session.step(GATUN_CHECK_FINITE, 0.3));
  }
  return problem.bits();
}

void compare(const std::string& name, const std::vector<GroupSetup>& setups, int steps) {
  const std::vector<unsigned char> expected = run(setups, GATUN_ISA_SCALAR, 1, false, steps);
  for (int32_t isa = GATUN_ISA_SCALAR; isa <= gatun_cpu_best_isa(); ++isa) {
    for (const int32_t threads : {1, 2, 3, 7}) {
      const bool same = run(setups, isa, threads, threads == 3, steps) == expected;
      CHECK(same, "%s: %s with %d threads%s gives other bits than scalar with one", name.c_str(), isa_name(isa), threads,
            threads == 3 ? ", phase by phase," : "");
    }
  }
  for (int again = 0; again < 2; ++again)
    CHECK(run(setups, GATUN_ISA_AUTO, 7, again == 1, steps) == expected, "%s: run %d gives other bits", name.c_str(), again);
}

// 2,000 tensors of 1 to 7 elements in one plan, and each in a plan of its own.
void tensors_are_independent() {
  const Spec spec = adam("", 5e-3, 0.1, GATUN_DECAY_DECOUPLED, false, 50).standardize();
  std::vector<Shape> shapes;
  for (int64_t i = 0; i < 2000; ++i) shapes.push_back(i % 2 == 0 ? vector_of(1 + i % 7) : matrix_of(1 + i % 3, 1 + i % 7));
  Problem together({{spec, GATUN_F32, shapes}}, 11), alone({{spec, GATUN_F32, shapes}}, 11);
  together.make_gradients(1, false);
  alone.make_gradients(1, false);
  {
    Session session(together, 3);
    CHECK_OK(session.step());
  }
  gatun_context_options options{};
  options.threads = 2;
  gatun_context* context = nullptr;
  CHECK_OK(gatun_context_create(&options, &context));
  const gatun_group all = alone.describe()[0];
  for (int64_t i = 0; i < all.count; ++i) {
    gatun_group one = all;
    int64_t counters[2] = {0, 0};
    one.tensors = all.tensors + i;
    one.count = 1;
    one.counters = counters;
    gatun_plan* plan = nullptr;
    CHECK_OK(gatun_plan_create(context, &one, 1, &plan));
    const double lr = spec.lr;
    const gatun_step_arguments arguments{&lr, 1, 0};
    CHECK_OK(gatun_step(plan, &arguments));
    CHECK_OK(gatun_plan_destroy(plan));
    CHECK(counters[0] == 1 && counters[1] == 1, "tensor %lld alone: counters %lld and %lld", (long long)i,
          (long long)counters[0], (long long)counters[1]);
  }
  CHECK_OK(gatun_context_destroy(context));
  int64_t different = 0;
  for (size_t t = 0; t < shapes.size(); ++t) {
    const TensorData &a = together.groups[0].tensors[t], &b = alone.groups[0].tensors[t];
    different += std::memcmp(a.weight.data(), b.weight.data(), a.weight.bytes()) != 0;
    for (size_t s = 0; s < a.state.size(); ++s)
      different += std::memcmp(a.state[s].data(), b.state[s].data(), a.state[s].bytes()) != 0;
  }
  CHECK(different == 0, "%lld arrays differ between one plan and 2,000", (long long)different);
}

}  // namespace

int main() {
  const bool slow = flag("GATUN_TEST_SLOW_BUILD");
  for (const Spec& spec : all_specs()) compare(spec.name, setup(spec, all_shapes()), slow ? 2 : 4);
  // enough elements that threads share tensors, and rows cut into chunks that different threads sum
  const std::vector<Shape> large = {vector_of(100003), matrix_of(13, 20011), matrix_of(300, 577), vector_of(8193)};
  compare("large adamw", setup(adam("", 1e-3, 0.1, GATUN_DECAY_DECOUPLED), large), 3);
  compare("large sing", setup(adam("", 5e-3, 0, 0, false, 50).standardize().lookahead(2, 0.5, true), large), 3);
  compare("large clip", setup(sgd("", 0.05, 0.9).clip(0.5), large), 3);
  tensors_are_independent();
  return result("bits");
}
