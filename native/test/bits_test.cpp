// bits_test - the same bits from every instruction set of this CPU, any number of threads, every run, and the phases
// one by one; and from a tensor alone as among thousands.
#include <algorithm>

#include "specs.h"

using namespace test;

namespace {

const char* isa_name(int32_t isa) {
  const char* names[] = {"the best instruction set", "scalar", "avx2", "avx512"};
  return names[isa];
}

std::vector<GroupSetup> setup(const Spec& spec, const std::vector<Shape>& shapes) {
  return {{spec, GATUN_F32, shapes}, {spec, GATUN_F64, shapes}};
}

// How a step is called: with the finite check (reduce everything, then apply everything), without it (a tensor may be
// applied while others are still summed), or phase by phase. No gradient here is refused, so all are the same step.
enum class Call { kChecked, kUnchecked, kPhases };

std::vector<unsigned char> run(const std::vector<GroupSetup>& setups, int32_t isa, int32_t threads, Call call,
                               int steps) {
  Problem problem(setups, 7);
  Session session(problem, threads, isa);
  for (int step = 1; step <= steps; ++step) {
    problem.make_gradients(step, true);
    session.bind();
    const int64_t flags = call == Call::kChecked ? GATUN_CHECK_FINITE : 0;
    CHECK_OK(call == Call::kPhases ? session.phases(flags, 0.3) : session.step(flags, 0.3));
  }
  return problem.bits();
}

struct Way {
  int32_t isa, threads;
  Call call;
};
const std::vector<Way> kFew = {{GATUN_ISA_SCALAR, 2, Call::kUnchecked}, {GATUN_ISA_AVX2, 3, Call::kPhases},
                               {GATUN_ISA_AVX2, 1, Call::kChecked},     {GATUN_ISA_AVX512, 7, Call::kUnchecked},
                               {GATUN_ISA_AVX512, 2, Call::kChecked},   {GATUN_ISA_AUTO, 16, Call::kUnchecked}};

std::vector<Way> all_ways() {
  std::vector<Way> ways;
  for (const int32_t isa : {GATUN_ISA_SCALAR, GATUN_ISA_AVX2, GATUN_ISA_AVX512})
    for (const int32_t threads : {1, 2, 3, 7, 16})
      for (const Call call : {Call::kChecked, Call::kUnchecked, Call::kPhases}) ways.push_back({isa, threads, call});
  ways.insert(ways.end(), ways.begin(), ways.end());  // and everything once more: every run gives the same
  return ways;
}

void compare(const std::string& name, const std::vector<GroupSetup>& setups, const std::vector<Way>& ways, int steps) {
  const std::vector<unsigned char> expected = run(setups, GATUN_ISA_SCALAR, 1, Call::kChecked, steps);
  for (const Way& way : ways) {
    if (way.isa > gatun_cpu_best_isa()) continue;
    CHECK(run(setups, way.isa, way.threads, way.call, steps) == expected,
          "%s: %s with %d threads, called in way %d, gives other bits than scalar with one", name.c_str(),
          isa_name(way.isa), way.threads, int(way.call));
  }
}

// 2,000 tensors of 1 to 7 elements in one plan, and each in a plan of its own.
void tensors_are_independent() {
  const Spec spec = adam("", 5e-3, 0.1, GATUN_DECAY_DECOUPLED, false, 50).standardize();
  std::vector<Shape> shapes;
  for (int64_t i = 0; i < 2000; ++i)
    shapes.push_back(i % 2 == 0 ? vector_of(1 + i % 7) : matrix_of(1 + i % 3, 1 + i % 7));
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

// Whoever adds a line to the registry of gatun.h adds one to specs.h.
void no_rule_is_missing(const std::vector<Spec>& specs) {
  const auto has = [&](int32_t rule) {
    return std::any_of(specs.begin(), specs.end(), [&](const Spec& spec) { return spec.rule == rule; });
  };
#define GATUN_EXPECT(number, constant, name, fields) CHECK(has(number), "specs.h has no " #name);
  GATUN_RULES(GATUN_EXPECT)
#undef GATUN_EXPECT
}

}  // namespace

int main() {
  const bool slow = flag("GATUN_TEST_SLOW_BUILD");
  std::vector<Spec> specs = all_specs(), others = other_specs(true);
  for (const Spec& spec : others) specs.push_back(spec);
  no_rule_is_missing(specs);
  for (size_t i = 0; i < specs.size(); i += slow ? 4 : 1)
    compare(specs[i].name, setup(specs[i], all_shapes()), kFew, slow ? 2 : 5);
  // enough elements that threads share tensors, and rows cut into chunks that different threads sum
  const std::vector<Shape> large = {vector_of(50003), matrix_of(7, 20011), matrix_of(100, 577), vector_of(8193)};
  const std::vector<Way> ways = slow ? kFew : all_ways();
  compare("large adamw", setup(adam("", 1e-3, 0.1, GATUN_DECAY_DECOUPLED), large), ways, 2);
  const Spec sing = adam("", 5e-3, 0.1, GATUN_DECAY_DECOUPLED, false, 50).standardize().lookahead(2, 0.5, true);
  compare("large sing", setup(sing, large), ways, 2);
  compare("large clip", setup(sgd("", 0.05, 0.9).clip(0.5), large), ways, 2);
  for (const Spec& spec : others) compare("large " + spec.name, setup(spec, large), kFew, 2);
  tensors_are_independent();
  return result("bits");
}
