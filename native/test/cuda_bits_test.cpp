// cuda_bits_test BACKEND - the CUDA kernels give every bit that the CPU backend gives: weights, state, counters, zeroed
// gradients and report, for every optimizer. Built twice: with GATUN_EMULATED for the emulator's library, in several
// orders of blocks and threads; without it for libgatun_cuda.so and a GPU, whose orders are its own (skipped where none
// is).
#include <cmath>

#include "cuda_problem.h"
#include "rules/rules.h"
#include "specs.h"
#if defined(GATUN_EMULATED)
#include "emulator/cuda_runtime_api.h"
#endif

using namespace test;

namespace {

struct Order {
  unsigned seed;
  int resident_blocks, multiprocessors;
};
void set_order([[maybe_unused]] const Order& order) {
#if defined(GATUN_EMULATED)
  gatun_emulator_order(order.seed, order.resident_blocks, order.multiprocessors);
#endif
}
// One block after another in order; a single block; several at once in random order, fewer and more than there is work.
constexpr Order kOrders[] = {{0, 1, 1}, {5, 3, 2}, {11, 2, 7}, {7, 4, 1}};

bool same(double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b); }

bool same(const gatun_step_report& a, const gatun_step_report& b) {
  return same(a.gradient_norm, b.gradient_norm) && a.skipped == b.skipped && a.skipped_group == b.skipped_group &&
         a.skipped_tensor == b.skipped_tensor && a.skipped_input == b.skipped_input;
}

// What differs first, for the message.
std::string difference(const Problem& a, const Problem& b) {
  for (size_t g = 0; g < a.groups.size(); ++g) {
    for (size_t t = 0; t < a.groups[g].tensors.size(); ++t) {
      const TensorData &x = a.groups[g].tensors[t], &y = b.groups[g].tensors[t];
      const auto find = [&](const Buffer& p, const Buffer& q, const std::string& what) -> std::string {
        for (int64_t i = 0; i < p.size(); ++i)
          if (!same(p.get(i), q.get(i)))
            return "group " + std::to_string(g) + ", tensor " + std::to_string(t) + " (" +
                   std::to_string(x.shape.rows) + " rows, " + std::to_string(x.shape.length) + " elements): " + what +
                   "[" + std::to_string(i) + "] is " + std::to_string(q.get(i)) + ", on the CPU " +
                   std::to_string(p.get(i));
        return "";
      };
      std::string found = find(x.weight, y.weight, "weight");
      for (size_t s = 0; s < x.state.size() && found.empty(); ++s)
        found = find(x.state[s], y.state[s], "state" + std::to_string(s));
      if (found.empty()) found = find(x.gradient, y.gradient, "gradient");
      if (found.empty()) found = find(x.master, y.master, "master");
      if (!found.empty()) return found;
    }
    if (std::memcmp(a.groups[g].counters.data(), b.groups[g].counters.data(), a.groups[g].counters.bytes()) != 0)
      return "group " + std::to_string(g) + ": counters";
  }
  return "";
}

struct Run {
  bool fused = false;  // in one launch, where the step allows it
  int64_t flags = 0;
  int steps = 3;
  bool phases = false, misaligned = false, idle = true;
};

void compare(const std::string& name, const std::vector<GroupSetup>& setups, const Run& run, const Order& order,
             double bad = 0) {
  set_order(order);
  setenv("GATUN_CUDA_DESIGN", run.fused ? "fused" : "two", 1);
  setenv("GATUN_CUDA_WINDOW", order.seed % 2 == 0 ? "1000000" : order.seed == 5 ? "1" : "30000", 1);
  Problem expected(setups, 7), actual(setups, 7);
  CudaContext context;
  Session cpu(expected, 2);
  CudaSession cuda(context, actual, run.misaligned);
  for (int step = 1; step <= run.steps; ++step) {
    for (Problem* problem : {&expected, &actual}) {
      problem->make_gradients(step, run.idle);
      if (bad == 0 || step != 2) continue;
      for (const size_t t : {3, 4}) problem->groups.back().tensors[t].gradient.set(0, bad);
    }
    cpu.bind();
    cuda.bind();
    CHECK_OK(cpu.step(run.flags, 0.3));
    CHECK_OK(run.phases ? cuda.phases(run.flags, 0.3) : cuda.step(run.flags, 0.3));
    const gatun_step_report a = cpu.report(), b = cuda.report();
    CHECK(same(a, b), "%s, step %d: report %.17g %d %lld %lld, on the CPU %.17g %d %lld %lld", name.c_str(), step,
          b.gradient_norm, int(b.skipped), (long long)b.skipped_group, (long long)b.skipped_tensor, a.gradient_norm,
          int(a.skipped), (long long)a.skipped_group, (long long)a.skipped_tensor);
    CHECK(bad == 0 || a.skipped == (step == 2), "%s: step %d refused: %d", name.c_str(), step, int(a.skipped));
    cuda.download();
    const std::string different = difference(expected, actual);
    CHECK(different.empty(), "%s, step %d (order %u): %s", name.c_str(), step, order.seed, different.c_str());
    if (!different.empty()) return;
  }
}

std::vector<GroupSetup> both_types(const Spec& spec, const std::vector<Shape>& shapes) {
  return {{spec, GATUN_F32, shapes}, {spec, GATUN_F64, shapes}};
}

void every_optimizer(bool slow) {
  int number = 0;
  std::vector<Spec> specs = all_specs();
  for (const Spec& spec : other_specs(true)) specs.push_back(spec);
  for (const Spec& spec : specs) {
    if (!gatun::visit_rule(spec.rule, [](auto r) { return decltype(r)::kOnCuda; })) continue;  // see cuda_plan_test
    const std::vector<GroupSetup> setups = both_types(spec, all_shapes());
    Run run;
    run.steps = spec.averages.empty() ? 2 : 5;
    run.phases = number % 4 == 1;
    run.misaligned = number % 3 == 2;
    run.flags = (number % 2 == 0 ? GATUN_CHECK_FINITE : 0) | (number % 5 == 3 ? GATUN_ZERO_GRADIENTS : 0);
    compare(spec.name, setups, run, kOrders[number % 4]);
    run.fused = true, run.phases = false;  // where it has sums; of F32 alone, as sums of F64 keep a plan from it
    const int64_t flags = run.flags;
    run.flags &= ~int64_t(GATUN_CHECK_FINITE);
    compare(spec.name + ", fused", {{spec, GATUN_F32, all_shapes()}}, run, kOrders[(number + 2) % 4]);
    run.fused = false, run.flags = flags;
    if (!slow && number % 2 == 0) {
      run.phases = false, run.misaligned = !run.misaligned, run.flags ^= GATUN_CHECK_FINITE;
      compare(spec.name + ", again", setups, run, kOrders[(number + 1) % 4]);
    }
    ++number;
  }
}

// One group for every pair of types beside F32, and both ways to round.
std::vector<GroupSetup> of_halves(const Spec& spec, const std::vector<Shape>& shapes) {
  std::vector<GroupSetup> setups;
  for (const Types& types : all_types()) setups.push_back({spec, GATUN_F32, shapes, types});
  return setups;
}

void every_optimizer_of_halves(bool slow) {
  const std::vector<Shape> shapes = {vector_of(0),    vector_of(1),     vector_of(39),     vector_of(2051),
                                     matrix_of(3, 5), matrix_of(60, 9), matrix_of(1, 2052)};
  int number = 0;
  std::vector<Spec> specs = all_specs();
  for (const Spec& spec : other_specs(true)) specs.push_back(spec);
  for (const Spec& spec : specs) {
    if (!gatun::visit_rule(spec.rule, [](auto r) { return decltype(r)::kOnCuda; })) continue;
    const std::vector<GroupSetup> setups = of_halves(spec, shapes);
    Run run;
    run.steps = spec.averages.empty() ? 2 : 4;
    run.phases = number % 4 == 2;
    run.misaligned = number % 5 < 2;
    run.flags = (number % 2 == 0 ? 0 : GATUN_CHECK_FINITE) | (number % 5 == 2 ? GATUN_ZERO_GRADIENTS : 0);
    run.fused = (run.flags & GATUN_CHECK_FINITE) == 0 && !run.phases;
    if (!slow || number % 3 == 0) compare(spec.name + ", halves", setups, run, kOrders[number % 4]);
    ++number;
  }
}

// A rule that takes inputs: NaNs in them, powers that are not one, steps without an input, beside all that else sums.
void inputs() {
  const gatun_nsgd squares{0.9, 0, 0.05, 0.01, 0.5, 0, 0, 0, 0}, absolute{0.9, 0.2, 0.05, 0.5, 0.9, 1, 1, 1, 1};
  const gatun_adal pooled{0.9, 0.999, 1e-8, 0.05, GATUN_DECAY_L2, 0, 0, 1};
  const Spec nsgd = rule("", GATUN_RULE_NSGD, 0.05, squares, 1, 1),
             insgd = rule("", GATUN_RULE_NSGD, 0.05, absolute, 1, 1);
  // Of each form of input one whose rows are cut, and one that begins within a chunk; one that is empty.
  const std::vector<Shape> shapes = {matrix_of(4, 2601), matrix_of(6, 2700), matrix_of(6, 9), matrix_of(70, 577),
                                     matrix_of(300, 7),  matrix_of(8, 18),   vector_of(0),    vector_of(2050)};
  const std::vector<GroupSetup> all = {{nsgd, GATUN_F32, shapes},
                                       {rule("", GATUN_RULE_ADAL, 1e-2, pooled, 2).standardize(), GATUN_F32, shapes},
                                       {insgd, GATUN_F64, shapes},
                                       {Spec(insgd).standardize().clip(0.5).ema(0.9), GATUN_F32, shapes}};
  for (const Order& order : kOrders) {
    set_order(order);
    const bool phases = order.seed == 5;
    // alone it is judged and advanced in one launch
    const std::vector<GroupSetup> setups = order.seed == 7 ? std::vector<GroupSetup>{all[0]} : all;
    Problem expected(setups, 7), actual(setups, 7);
    CudaContext context;
    Session cpu(expected, 2);
    CudaSession cuda(context, actual, phases);
    for (int step = 1; step <= 8; ++step) {
      const int64_t flags = step % 3 != 0 ? GATUN_CHECK_FINITE : 0;
      for (Problem* problem : {&expected, &actual}) {
        problem->make_gradients(step, true);
        std::vector<TensorData>& first = problem->groups[0].tensors;
        if (step == 2) first[1].input->set(5, std::nan(""));
        if (step == 4) first[3].input->set(2, -1);  // a power
        if (step == 5) problem->groups.back().tensors[0].gradient.set(1, std::nan(""));
      }
      cpu.bind();
      cuda.bind();
      if (step == 7)
        for (const int64_t t : {0, 1, 3})
          for (gatun_plan* plan : {cpu.plan(), cuda.plan()}) CHECK_OK(gatun_plan_input(plan, 0, t, nullptr));
      CHECK_OK(cpu.step(flags, 0.3));
      CHECK_OK(phases ? cuda.phases(flags, 0.3) : cuda.step(flags, 0.3));
      const gatun_step_report a = cpu.report(), b = cuda.report();
      CHECK(same(a, b), "inputs, step %d: report %.17g %d %lld %lld %lld, on the CPU %.17g %d %lld %lld %lld", step,
            b.gradient_norm, int(b.skipped), (long long)b.skipped_group, (long long)b.skipped_tensor,
            (long long)b.skipped_input, a.gradient_norm, int(a.skipped), (long long)a.skipped_group,
            (long long)a.skipped_tensor, (long long)a.skipped_input);
      cuda.download();
      const std::string different = difference(expected, actual);
      CHECK(different.empty(), "inputs, step %d (order %u): %s", step, order.seed, different.c_str());
      if (!different.empty()) return;
    }
  }
}

// Rules whose sums are their own, pooled or of rows, of gradients that are transformed or not, beside a rule without.
std::vector<GroupSetup> sums_of_all_kinds(const std::vector<Shape>& shapes) {
  const gatun_adal adal{0.9, 0.999, 1e-8, 0.05, GATUN_DECAY_L2, 0, 0, 1}, own{0.9, 0.999, 1e-8, 0.05, 0, 0, 0, 0};
  const gatun_aida aida{0.9, 0.999, 1e-8, 0.05, 1e-20, 2, GATUN_DECAY_L2, 0};
  const gatun_adamp rows{0.9, 0.999, 1e-8, 0.05, 1e3, 0.1, 0, 0}, whole{0.9, 0.999, 1e-8, 0.05, 1, 0.1, 0, 0};
  const gatun_sgdp sgdp{0.9, 0, 0.05, 1e-8, 1e3, 0.1, 1, 0};
  const gatun_ladam ladam{0.9, 0.999, 1e-8, 0.05, GATUN_DECAY_L2, 0};
  return {{rule("", GATUN_RULE_ADAL, 1e-2, adal, 2), GATUN_F32, shapes},
          {rule("", GATUN_RULE_AIDA, 1e-2, aida, 2).standardize(), GATUN_F32, shapes},
          {adam("", 1e-3), GATUN_F32, shapes},
          {rule("", GATUN_RULE_ADAL, 1e-2, adal, 2).standardize(), GATUN_F64, shapes},
          {rule("", GATUN_RULE_ADAL, 1e-2, own, 2), GATUN_F64, shapes},
          {rule("", GATUN_RULE_ADAMP, 1e-2, rows, 2), GATUN_F32, shapes},
          {rule("", GATUN_RULE_ADAMP, 1e-2, whole, 2).clip(1), GATUN_F32, shapes},
          {rule("", GATUN_RULE_SGDP, 1e-1, sgdp, 1).standardize(), GATUN_F64, shapes},
          {rule("", GATUN_RULE_LADAM, 1e-2, ladam, 1, 1).lookahead(2, 0.5, true), GATUN_F32, shapes}};
}

void refusals() {
  const double kNaN = std::nan("");
  const Spec spec = adam("", 1e-3, 0.1, GATUN_DECAY_DECOUPLED).standardize().lookahead(2, 0.5, kNaN);
  const std::vector<Shape> shapes = {vector_of(5), matrix_of(3, 2049), vector_of(2049), matrix_of(9, 33),
                                     vector_of(40)};
  for (const int64_t flags : {int64_t(GATUN_CHECK_FINITE), int64_t(GATUN_CHECK_FINITE | GATUN_ZERO_GRADIENTS)}) {
    Run run;
    run.flags = flags, run.idle = false;
    for (const Order& order : kOrders) compare("refused", both_types(spec, shapes), run, order, kNaN);
    run.fused = true;  // must not be, with a check
    compare("refused, not fused", {{adam("", 1e-3).standardize(), GATUN_F32, shapes}}, run, kOrders[1], kNaN);
    run.fused = false;
    compare("refused, of halves", of_halves(spec, shapes), run, kOrders[3], kNaN);
    // Rules with sums: of the gradient as it is, and of the transformed one once finalize has begun.
    compare("refused, with sums", sums_of_all_kinds(shapes), run, kOrders[2], kNaN);
    compare("refused for a square", {{spec, GATUN_F32, shapes}, {adam("", 1e-3), GATUN_F32, shapes}}, run, kOrders[3],
            1e20);
  }
}

// Several launches of k_fused beside tensors that none of them comes by; windows of one tensor, of some, of all.
void fused(const std::vector<Shape>& shapes) {
  const Spec sing = adam("", 5e-3, 5e-3, GATUN_DECAY_DECOUPLED, false, 50).standardize();
  const gatun_aida aida{0.9, 0.999, 1e-8, 0.05, 1e-20, 2, GATUN_DECAY_L2, 0};
  const gatun_adal pooled{0.9, 0.999, 1e-8, 0.05, GATUN_DECAY_L2, 0, 0, 1};
  const std::vector<GroupSetup> groups = {{sing, GATUN_F32, shapes},
                                          {adam("", 1e-3, 0.1, GATUN_DECAY_L2, false, 50), GATUN_F32, shapes},
                                          {adam("", 1e-3), GATUN_F64, shapes},
                                          {adam("", 1e-3), GATUN_F32, {}},
                                          {rule("", GATUN_RULE_AIDA, 1e-2, aida, 2), GATUN_F32, shapes},
                                          {Spec(sing).lookahead(2, 0.5, false), GATUN_F32, shapes}};
  Run run;
  run.fused = true, run.steps = 4;
  for (const Order& order : kOrders) {
    compare("fused groups", groups, run, order);
    compare("fused, all summed", {groups[0], groups[5]}, run, order);
    compare("not fused for a clip", {{Spec(sing).clip(0.5), GATUN_F32, shapes}}, run, order);
    compare("not fused for pooled sums", {{rule("", GATUN_RULE_ADAL, 1e-2, pooled, 2), GATUN_F32, shapes}}, run, order);
    compare("not fused for sums of F64", {groups[0], groups[2], {sing, GATUN_F64, shapes}}, run, order);
    run.flags ^= GATUN_ZERO_GRADIENTS;
  }
}

// More chunks, rows and tensors than a block stages at once, and groups whose kernels differ.
void sizes() {
  Run run;
  run.steps = 2, run.flags = GATUN_CHECK_FINITE;
  const Spec sing = adam("", 5e-3, 5e-3, GATUN_DECAY_DECOUPLED, false, 50).standardize().clip(0.5);
  std::vector<Shape> many;
  for (int64_t i = 0; i < 1500; ++i)
    many.push_back(i % 2 == 0 ? vector_of(1 + i % 7) : matrix_of(1 + i % 3, 1 + i % 7));
  compare("many tensors", {{sing, GATUN_F32, many}}, run, kOrders[2]);
  run.steps = 3;
  const std::vector<Shape> few = {vector_of(33), matrix_of(5, 577), matrix_of(2, 5000), vector_of(0)};
  const std::vector<GroupSetup> mixed = {{sgd("", 0.05, 0.9).clip(0.7), GATUN_F32, few},
                                         {adam("", 1e-3), GATUN_F64, few},
                                         {adam("", 1e-3), GATUN_F32, {}},
                                         {adam("", 1e-3, 0.1), GATUN_F64, few},
                                         {sgd("", 0.05).clip(0.5).clip(0.1), GATUN_F64, few},
                                         {sing, GATUN_F32, few},
                                         {sgd("", 0.05, 0.9).ema(0.9), GATUN_F32, few}};
  for (const Order& order : kOrders) compare("mixed groups", mixed, run, order);
  for (const Order& order : kOrders) compare("sums of all kinds", sums_of_all_kinds(few), run, order);
  run.phases = true;
  compare("sums of all kinds, in phases", sums_of_all_kinds(few), run, kOrders[1]);
  run.flags = 0, run.phases = false;
  compare("sums of all kinds, unchecked", sums_of_all_kinds(few), run, kOrders[2]);
  compare("mixed groups, only some summed", mixed, run, kOrders[3]);
  fused(few);
  compare("nothing", {{sing, GATUN_F32, {}}}, run, kOrders[0]);
  run.flags = GATUN_CHECK_FINITE, run.steps = 2;
  const Spec alone = adam("", 5e-3, 5e-3, GATUN_DECAY_DECOUPLED, false, 50).standardize();
  run.fused = true, run.flags = 0, run.steps = 2;
  compare("many tensors, fused", {{alone, GATUN_F32, many}}, run, kOrders[2]);
  compare("many chunks, fused", {{alone, GATUN_F32, {vector_of(1'200'003), matrix_of(1100, 2049), vector_of(7)}}}, run,
          kOrders[3]);
  run.fused = false;
  run.flags = GATUN_CHECK_FINITE;
  compare("many chunks", {{sing, GATUN_F32, {vector_of(2'200'003), matrix_of(1100, 2049), vector_of(7)}}}, run,
          kOrders[1]);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  CHECK_OK(gatun_cuda_open(argv[1]));
  int32_t devices = 0;
  if (gatun_cuda_device_count(&devices) != GATUN_OK) {
    std::printf("skipped, no GPU: %s\n", gatun_last_error());
    return 77;
  }
  // What breaks most is first, for broken copies of the kernels to be found out in a second.
  if (failures == 0) refusals();
  if (failures == 0) inputs();
  if (failures == 0) sizes();
  if (failures == 0) every_optimizer_of_halves(flag("GATUN_TEST_SLOW_BUILD"));
  if (failures == 0) every_optimizer(flag("GATUN_TEST_SLOW_BUILD"));
#if defined(GATUN_EMULATED)
  CHECK(gatun_emulator_live() == 0, "%lld allocations, streams or events are left", gatun_emulator_live());
#endif
  return result("cuda_bits");
}
