// misuse_test - what the C ABI must refuse: each wrong argument by itself, with a message that says where and what;
// never a crash, never a change.
#include <climits>
#include <cmath>
#include <functional>
#include <thread>

#include "specs.h"

using namespace test;

namespace {

#define GATUN_COUNT(number, constant, name, fields) +1
constexpr int32_t kRules = 0 GATUN_RULES(GATUN_COUNT);
#undef GATUN_COUNT

bool says(const std::vector<std::string>& words) {
  const std::string message = gatun_last_error();
  for (const std::string& word : words)
    if (message.find(word) == std::string::npos) return false;
  return true;
}

#define REFUSED(call, ...)                                                                             \
  do {                                                                                                 \
    const gatun_status refused_status = (call);                                                        \
    CHECK(refused_status == GATUN_INVALID_ARGUMENT, "%s gives status %d", #call, int(refused_status)); \
    CHECK(says({__VA_ARGS__}), "%s: the message is \"%s\"", #call, gatun_last_error());                \
  } while (0)

gatun_context* context() {
  static gatun_context* const made = [] {
    gatun_context_options options{};
    options.threads = 2;
    gatun_context* c = nullptr;
    CHECK_OK(gatun_context_create(&options, &c));
    return c;
  }();
  return made;
}

// A healthy description of two groups, one detail of which a test spoils.
struct Description {
  Problem problem{{{adam("", 1e-3).lookahead(5, 0.5, true), GATUN_F32, {vector_of(10), matrix_of(3, 5)}},
                   {sgd("", 0.1, 0.9).standardize(), GATUN_F64, {vector_of(4), vector_of(6), matrix_of(2, 9)}}},
                  3};
  std::vector<gatun_group> groups = problem.describe();
  gatun_tensor& tensor(size_t g, size_t t) { return const_cast<gatun_tensor&>(groups[g].tensors[t]); }
};

void spoiled(const char* what, const std::vector<std::string>& words, const std::function<void(Description&)>& spoil) {
  Description d;
  spoil(d);
  gatun_plan* plan = nullptr;
  const gatun_status status = gatun_plan_create(context(), d.groups.data(), int64_t(d.groups.size()), &plan);
  CHECK(status == GATUN_INVALID_ARGUMENT, "%s gives status %d", what, int(status));
  CHECK(plan == nullptr, "%s: the plan is not null", what);
  CHECK(says(words), "%s: the message is \"%s\"", what, gatun_last_error());
  if (status == GATUN_OK) gatun_plan_destroy(plan);
}

void* shifted(void* address, int64_t bytes) { return static_cast<char*>(address) + bytes; }

void descriptions() {
  spoiled("a null weight", {"group 1", "tensor 2", "weight", "null"}, [](auto& d) { d.tensor(1, 2).weight = nullptr; });
  spoiled("a null state", {"group 0", "tensor 1", "state[1]", "null"},
          [](auto& d) { d.tensor(0, 1).state[1] = nullptr; });
  spoiled("no slow weights", {"group 0", "tensor 0", "state[2]", "null"},
          [](auto& d) { d.tensor(0, 0).state[2] = nullptr; });
  for (const int64_t bytes : {1, 2, 3}) {
    spoiled("a misaligned weight", {"group 0", "tensor 1", "weight", "aligned"},
            [&](auto& d) { d.tensor(0, 1).weight = shifted(d.tensor(0, 1).weight, bytes); });
    spoiled("a misaligned gradient", {"group 0", "tensor 1", "gradient", "aligned"},
            [&](auto& d) { d.tensor(0, 1).gradient = shifted(d.tensor(0, 1).gradient, bytes); });
  }
  spoiled("a state at half a double", {"group 1", "tensor 0", "state[0]", "aligned"},
          [](auto& d) { d.tensor(1, 0).state[0] = shifted(d.tensor(1, 0).state[0], 4); });
  spoiled("a negative length", {"group 1", "tensor 1", "-6"}, [](auto& d) { d.tensor(1, 1).length = -6; });
  spoiled("the smallest length", {"group 1", "tensor 1"}, [](auto& d) { d.tensor(1, 1).length = INT64_MIN; });
  spoiled("the largest length", {"group 1", "tensor 1"}, [](auto& d) { d.tensor(1, 1).length = INT64_MAX; });
  spoiled("rows that do not divide", {"group 0", "tensor 1", "4", "15"}, [](auto& d) { d.tensor(0, 1).rows = 4; });
  spoiled("no rows", {"group 0", "tensor 1", "0", "15"}, [](auto& d) { d.tensor(0, 1).rows = 0; });
  spoiled("negative rows", {"group 0", "tensor 1", "-3"}, [](auto& d) { d.tensor(0, 1).rows = -3; });
  for (const int32_t number : {-1, kRules, 1000, INT_MAX}) {
    spoiled("an unknown rule", {"group 1", "rule", std::to_string(number)},
            [&](auto& d) { d.groups[1].rule = number; });
    spoiled("an unknown dtype", {"group 1", "dtype", std::to_string(number)},
            [&](auto& d) { d.groups[1].dtype = number; });
    spoiled("an unknown transformation", {"group 1", std::to_string(number)},
            [&](auto& d) { d.groups[1].transforms[0].kind = number; });
    spoiled("an unknown average", {"group 0", std::to_string(number)},
            [&](auto& d) { d.groups[0].averages[0].kind = number; });
  }
  for (const int32_t count : {-1, 5, INT_MAX}) {
    spoiled("a wrong number of transformations", {"group 1", std::to_string(count)},
            [&](auto& d) { d.groups[1].transform_count = count; });
    spoiled("a wrong number of averages", {"group 1", std::to_string(count)},
            [&](auto& d) { d.groups[1].average_count = count; });
  }
  spoiled("a clip to 0", {"group 1", "0"}, [](auto& d) { d.groups[1].transforms[0] = {0, GATUN_CLIP, 0, 0, 0}; });
  spoiled("a clip to NaN", {"group 1", "nan"}, [](auto& d) { d.groups[1].transforms[0] = {NAN, GATUN_CLIP, 0, 0, 0}; });
  spoiled("a negative eps", {"group 1", "-1"}, [](auto& d) { d.groups[1].transforms[0].value = -1; });
  spoiled("look-ahead every 0 steps", {"group 0", "0"}, [](auto& d) { d.groups[0].averages[0].k = 0; });
  spoiled("BYOL's average over 0 steps", {"group 0", "BYOL", "0"}, [](auto& d) {
    d.groups[0].averages[0].kind = GATUN_EMA_BYOL;
    d.groups[0].averages[0].k = 0;
  });
  spoiled("an alpha of 1.5", {"group 0", "1.5"}, [](auto& d) { d.groups[0].averages[0].value = 1.5; });
  spoiled("an alpha that is NaN", {"group 0", "nan"}, [](auto& d) { d.groups[0].averages[0].value = NAN; });
  spoiled("no tensors", {"group 1", "tensors", "null"}, [](auto& d) { d.groups[1].tensors = nullptr; });
  spoiled("a negative number of tensors", {"group 1", "-1"}, [](auto& d) { d.groups[1].count = -1; });
  spoiled("no counters", {"group 1", "counters", "null"}, [](auto& d) { d.groups[1].counters = nullptr; });
  spoiled("misaligned counters", {"group 0", "counters"},
          [](auto& d) { d.groups[0].counters = static_cast<int64_t*>(shifted(d.groups[0].counters, 4)); });
  spoiled("no arguments", {"group 0", "arguments", "null"}, [](auto& d) { d.groups[0].arguments = nullptr; });
  // the healthy description is one
  Description d;
  gatun_plan* plan = nullptr;
  CHECK_OK(gatun_plan_create(context(), d.groups.data(), 2, &plan));
  CHECK_OK(gatun_plan_destroy(plan));
  // empty tensors may be anywhere, also nowhere
  d.tensor(0, 0).length = 0;
  d.tensor(0, 0).weight = d.tensor(0, 0).gradient = d.tensor(0, 0).state[0] = d.tensor(0, 0).state[1] =
      d.tensor(0, 0).state[2] = nullptr;
  CHECK_OK(gatun_plan_create(context(), d.groups.data(), 2, &plan));
  CHECK_OK(gatun_plan_destroy(plan));
}

// BF16 and F16 weights and gradients.
void halves() {
  struct Half : Description {
    Half() {
      problem.groups[0].types = {GATUN_BF16, GATUN_F16, GATUN_STOCHASTIC, 1};
      for (TensorData& tensor : problem.groups[0].tensors) {
        tensor.weight = Buffer(tensor.shape.length, GATUN_BF16);
        tensor.gradient = Buffer(tensor.shape.length, GATUN_F16);
        tensor.master = Buffer(tensor.shape.length, GATUN_F32);
      }
      groups = problem.describe();
    }
  };
  const auto refused = [](const char* what, const std::vector<std::string>& words,
                          const std::function<void(Description&)>& spoil) {
    Half half;
    spoil(half);
    gatun_plan* plan = nullptr;
    const gatun_status status = gatun_plan_create(context(), half.groups.data(), 2, &plan);
    CHECK(status == GATUN_INVALID_ARGUMENT && plan == nullptr, "%s gives status %d", what, int(status));
    CHECK(says(words), "%s: the message is \"%s\"", what, gatun_last_error());
  };
  refused("no master", {"group 0", "tensor 1", "master", "null"}, [](auto& d) { d.tensor(0, 1).master = nullptr; });
  refused("a misaligned master", {"group 0", "tensor 1", "master", "aligned to 4"},
          [](auto& d) { d.tensor(0, 1).master = shifted(d.tensor(0, 1).master, 2); });
  refused("a weight at an odd address", {"group 0", "tensor 0", "weight", "aligned to 2"},
          [](auto& d) { d.tensor(0, 0).weight = shifted(d.tensor(0, 0).weight, 1); });
  refused("a gradient at an odd address", {"group 0", "tensor 0", "gradient", "aligned to 2"},
          [](auto& d) { d.tensor(0, 0).gradient = shifted(d.tensor(0, 0).gradient, 1); });
  for (const int32_t number : {-1, 4, INT_MAX}) {
    refused("an unknown type of weights", {"group 0", "weight_dtype", std::to_string(number)},
            [&](auto& d) { d.groups[0].weight_dtype = number; });
    refused("an unknown type of gradients", {"group 0", "tensor 1", "gradient", std::to_string(number)},
            [&](auto& d) { d.tensor(0, 1).gradient_dtype = number; });
    refused("an unknown rounding", {"group 0", "rounding", std::to_string(number)},
            [&](auto& d) { d.groups[0].rounding = number; });
  }
  refused("arithmetic in BF16", {"group 0", "dtype 2"}, [](auto& d) { d.groups[0].dtype = GATUN_BF16; });
  refused("F64 weights in F32", {"group 0", "weight_dtype 1"}, [](auto& d) { d.groups[0].weight_dtype = GATUN_F64; });
  for (const int32_t type : {GATUN_F32, GATUN_BF16, GATUN_F16}) {
    refused("narrower weights in F64", {"group 1", "weight_dtype"}, [&](auto& d) { d.groups[1].weight_dtype = type; });
    refused("narrower gradients in F64", {"group 1", "tensor 2", "gradient"},
            [&](auto& d) { d.tensor(1, 2).gradient_dtype = type; });
  }
  refused("F64 gradients in F32", {"group 0", "tensor 0", "gradient of dtype 1"},
          [](auto& d) { d.tensor(0, 0).gradient_dtype = GATUN_F64; });
  Half half;
  half.tensor(0, 0).gradient = nullptr;  // its type may then be anything
  half.tensor(0, 0).gradient_dtype = 99;
  gatun_plan* plan = nullptr;
  CHECK_OK(gatun_plan_create(context(), half.groups.data(), 2, &plan));
  void* const gradient = half.tensor(0, 1).gradient;
  REFUSED(gatun_plan_gradient(plan, 0, 1, gradient, GATUN_F64), "group 0", "tensor 1", "gradient of dtype 1");
  REFUSED(gatun_plan_gradient(plan, 0, 1, gradient, 7), "group 0", "tensor 1", "gradient of dtype 7");
  REFUSED(gatun_plan_gradient(plan, 0, 1, shifted(gradient, 1), GATUN_BF16), "tensor 1", "aligned to 2");
  REFUSED(gatun_plan_gradient(plan, 1, 0, gradient, GATUN_BF16), "group 1", "tensor 0", "gradient of dtype 2");
  CHECK_OK(gatun_plan_gradient(plan, 0, 1, gradient, GATUN_BF16));
  CHECK_OK(gatun_plan_destroy(plan));
}

void null_handles() {
  gatun_context* made = nullptr;
  const gatun_context_options options{};
  REFUSED(gatun_context_create(nullptr, &made), "options", "null");
  REFUSED(gatun_context_create(&options, nullptr), "context", "null");
  gatun_device_info info;
  REFUSED(gatun_context_info(nullptr, &info), "context", "null");
  REFUSED(gatun_context_info(context(), nullptr), "info", "null");
  REFUSED(gatun_context_synchronize(nullptr), "context", "null");
  void* memory = nullptr;
  REFUSED(gatun_memory_allocate(nullptr, 8, 0, &memory), "context", "null");
  REFUSED(gatun_memory_allocate(context(), 8, 0, nullptr), "memory", "null");
  REFUSED(gatun_memory_allocate(context(), -8, 0, &memory), "-8");
  REFUSED(gatun_memory_free(nullptr, &info, 0), "context", "null");
  REFUSED(gatun_memory_copy(nullptr, &info, &info, 4), "context", "null");
  REFUSED(gatun_memory_copy(context(), nullptr, &info, 4), "null");
  REFUSED(gatun_memory_copy(context(), &info, nullptr, 4), "null");
  REFUSED(gatun_memory_copy(context(), &info, &info, -4), "-4");
  Description d;
  gatun_plan* plan = nullptr;
  REFUSED(gatun_plan_create(nullptr, d.groups.data(), 2, &plan), "context", "null");
  REFUSED(gatun_plan_create(context(), nullptr, 2, &plan), "groups", "null");
  REFUSED(gatun_plan_create(context(), d.groups.data(), -1, &plan), "-1");
  REFUSED(gatun_plan_create(context(), d.groups.data(), 2, nullptr), "plan", "null");
  REFUSED(gatun_plan_gradient(nullptr, 0, 0, nullptr, GATUN_F32), "plan", "null");
  const double lr[] = {0.1, 0.1};
  const gatun_step_arguments arguments{lr, 1, 0};
  REFUSED(gatun_step(nullptr, &arguments), "plan", "null");
  REFUSED(gatun_reduce(nullptr, &arguments), "plan", "null");
  REFUSED(gatun_finalize(nullptr, &arguments), "plan", "null");
  REFUSED(gatun_apply(nullptr, &arguments), "plan", "null");
  gatun_step_report report;
  REFUSED(gatun_report(nullptr, &report), "plan", "null");
  double norm;
  REFUSED(gatun_gradient_norms(nullptr, &norm), "plan", "null");
  REFUSED(gatun_cuda_open(nullptr), "path", "null");
  REFUSED(gatun_cuda_open("libgatun_cuda.so"), "absolute");
  CHECK_OK(gatun_plan_destroy(nullptr));  // as free does
  CHECK_OK(gatun_context_destroy(nullptr));
}

gatun_context_options with(const std::function<void(gatun_context_options&)>& change) {
  gatun_context_options options{};
  change(options);
  return options;
}

void contexts() {
  gatun_context* made = nullptr;
  for (const int32_t bad : {-1, 2, INT_MAX}) {
    const auto backend = with([&](auto& o) { o.backend = bad; });
    REFUSED(gatun_context_create(&backend, &made), "backend", std::to_string(bad));
  }
  for (const int32_t bad : {-1, 4, INT_MIN}) {
    const auto isa = with([&](auto& o) { o.isa = bad; });
    REFUSED(gatun_context_create(&isa, &made), "isa", std::to_string(bad));
  }
  for (const int32_t bad : {-1, 1000000, INT_MIN}) {
    const auto threads = with([&](auto& o) { o.threads = bad; });
    REFUSED(gatun_context_create(&threads, &made), "threads", std::to_string(bad));
  }
  CHECK(made == nullptr, "a refused context is not null");
  // the CPU's own memory functions
  for (const int64_t bytes : {0, 1, 255, 256, 257, 100000}) {
    void* memory = nullptr;
    CHECK_OK(gatun_memory_allocate(context(), bytes, bytes % 2, &memory));
    CHECK(memory != nullptr && reinterpret_cast<uintptr_t>(memory) % 256 == 0, "%lld bytes at %p", (long long)bytes,
          memory);
    int64_t set = 0;
    for (int64_t i = 0; i < bytes; ++i) set += static_cast<char*>(memory)[i] != 0;
    CHECK(set == 0, "%lld of %lld bytes are not zero", (long long)set, (long long)bytes);
    const char text[] = "0123456789";
    if (bytes > 100) {
      CHECK_OK(gatun_memory_copy(context(), memory, text, sizeof text));
      CHECK(std::strcmp(static_cast<char*>(memory), text) == 0, "the copy is \"%s\"", static_cast<char*>(memory));
    }
    CHECK_OK(gatun_memory_free(context(), memory, bytes % 2));
  }
  void* memory = &made;
  const gatun_status status = gatun_memory_allocate(context(), int64_t(1) << 62, 0, &memory);
  CHECK(status == GATUN_OUT_OF_MEMORY, "2^62 bytes give status %d: %s", int(status), gatun_last_error());
}

void steps() {
  Description d;
  d.problem.make_gradients(1, false);
  gatun_plan* plan = nullptr;
  CHECK_OK(gatun_plan_create(context(), d.groups.data(), 2, &plan));
  const std::vector<unsigned char> before = d.problem.bits();
  const double lr[] = {0.1, 0.1}, nan_lr[] = {0.1, NAN}, infinite_lr[] = {INFINITY, 0.1};
  const gatun_step_arguments good{lr, 1, 0}, no_lr{nullptr, 1, 0}, bad_lr{nan_lr, 1, 0}, worse_lr{infinite_lr, 1, 0},
      bad_scale{lr, NAN, 0}, infinite_scale{lr, INFINITY, 0}, unknown_flag{lr, 1, 4}, negative_flag{lr, 1, -1},
      checking{lr, 1, GATUN_CHECK_FINITE};
  for (const auto step : {gatun_step, gatun_reduce, gatun_finalize, gatun_apply}) {
    REFUSED(step(plan, nullptr), "arguments", "null");
    REFUSED(step(plan, &no_lr), "lr", "null");
  }
  REFUSED(gatun_step(plan, &bad_lr), "lr[1]", "nan");
  REFUSED(gatun_step(plan, &worse_lr), "lr[0]", "inf");
  REFUSED(gatun_step(plan, &bad_scale), "gradient_scale", "nan");
  REFUSED(gatun_step(plan, &infinite_scale), "gradient_scale", "inf");
  REFUSED(gatun_step(plan, &unknown_flag), "flags", "4");
  REFUSED(gatun_step(plan, &negative_flag), "flags", "-1");
  REFUSED(gatun_report(plan, nullptr), "report", "null");
  REFUSED(gatun_gradient_norms(plan, nullptr), "norms", "null");
  // phases out of order
  REFUSED(gatun_finalize(plan, &good), "gatun_reduce");
  REFUSED(gatun_apply(plan, &good), "gatun_finalize");
  CHECK_OK(gatun_reduce(plan, &good));
  REFUSED(gatun_apply(plan, &good), "gatun_finalize");
  CHECK(d.problem.bits() == before, "a refused call changed something");

  void* const gradient = d.tensor(1, 0).gradient;
  REFUSED(gatun_plan_gradient(plan, -1, 0, gradient, GATUN_F64), "group", "-1");
  REFUSED(gatun_plan_gradient(plan, 2, 0, gradient, GATUN_F64), "group", "2");
  REFUSED(gatun_plan_gradient(plan, 1, -1, gradient, GATUN_F64), "tensor", "-1");
  REFUSED(gatun_plan_gradient(plan, 1, 3, gradient, GATUN_F64), "tensor", "3");
  REFUSED(gatun_plan_gradient(plan, 1, 0, shifted(gradient, 4), GATUN_F64), "group 1", "tensor 0", "aligned");
  CHECK_OK(gatun_step(plan, &good));                    // still as good as new
  REFUSED(gatun_apply(plan, &good), "gatun_finalize");  // a step is applied once

  // a gradient that comes or goes between the phases belongs to the next step
  CHECK_OK(gatun_plan_gradient(plan, 1, 0, nullptr, GATUN_F64));
  CHECK_OK(gatun_reduce(plan, &good));
  CHECK_OK(gatun_plan_gradient(plan, 1, 0, gradient, GATUN_F64));
  REFUSED(gatun_finalize(plan, &good), "gatun_reduce");
  CHECK_OK(gatun_reduce(plan, &good));
  REFUSED(gatun_finalize(plan, &bad_lr), "lr[1]");
  CHECK_OK(gatun_reduce(plan, &good));
  REFUSED(gatun_finalize(plan, &checking), "flags");  // what it would check has not been summed
  CHECK_OK(gatun_finalize(plan, &good));
  REFUSED(gatun_plan_gradient(plan, 1, 0, nullptr, GATUN_F64), "gatun_apply");
  REFUSED(gatun_reduce(plan, &good), "gatun_apply");
  REFUSED(gatun_step(plan, &good), "gatun_apply");
  CHECK_OK(gatun_apply(plan, &good));
  CHECK_OK(gatun_plan_destroy(plan));

  // a plan of nothing
  CHECK_OK(gatun_plan_create(context(), nullptr, 0, &plan));
  CHECK_OK(gatun_step(plan, &good));
  CHECK_OK(gatun_plan_destroy(plan));
}

// What a rule that takes inputs must refuse.
void inputs() {
  const auto convolution = [](auto& d) -> gatun_tensor& {
    gatun_tensor& t = d.tensor(0, 0);
    t.powers = 4, t.input_groups = 2;
    return t;
  };
  struct Fed : Description {
    Fed() {
      problem = Problem({{rule("", GATUN_RULE_NSGD, 0.1, gatun_nsgd{0.9, 0, 0, 0.01, 0, 0, 0, 0, 0}, 1, 1),
                          GATUN_F32,
                          {matrix_of(4, 6), vector_of(3)}}},
                        3);
      groups = problem.describe();
    }
  };
  const auto refused = [&](const char* what, const std::vector<std::string>& words, auto spoil) {
    Fed d;
    spoil(convolution(d));
    gatun_plan* plan = nullptr;
    const gatun_status status = gatun_plan_create(context(), d.groups.data(), 1, &plan);
    CHECK(status == GATUN_INVALID_ARGUMENT && says(words), "%s gives status %d: %s", what, int(status),
          gatun_last_error());
    if (status == GATUN_OK) gatun_plan_destroy(plan);
  };
  refused("negative powers", {"tensor 0", "-1"}, [](auto& t) { t.powers = -1; });
  refused("no groups", {"tensor 0", "0 input groups"}, [](auto& t) { t.input_groups = 0; });
  refused("groups that do not divide the powers", {"3 input groups", "4 powers"}, [](auto& t) { t.input_groups = 3; });
  refused("groups that do not divide the rows", {"8 input groups", "4 rows"},
          [](auto& t) { t.powers = t.input_groups = 8; });
  refused("channels that do not divide a row", {"8 powers", "rows of 6"}, [](auto& t) { t.powers = 8; });
  refused("no memory for the powers", {"state[1]", "null"}, [](auto& t) { t.state[1] = nullptr; });

  Fed d;
  double powers[4] = {};
  convolution(d).state[1] = powers;
  d.problem.make_gradients(1, false);
  gatun_plan* plan = nullptr;
  CHECK_OK(gatun_plan_create(context(), d.groups.data(), 1, &plan));
  float x[64] = {};
  const gatun_input good{x, 2, 4, 8, GATUN_F32, 0};
  const auto with_input = [&](auto change) {
    gatun_input input = good;
    change(input);
    return input;
  };
  const gatun_input nowhere = with_input([](auto&i) { i.address = nullptr; }),
                    shifted_input = with_input([&](auto&i) { i.address = shifted(x, 2); }),
                    other_channels = with_input([](auto&i) { i.channels = 3; }),
                    no_samples = with_input([](auto&i) { i.samples = 0; }),
                    negative = with_input([](auto&i) { i.area = -8; }),
                    huge = with_input([](auto&i) { i.samples = i.area = INT64_MAX / 16; }),
                    unknown = with_input([](auto&i) { i.dtype = 9; }),
                    power = with_input([&](auto&i) { i.power = 1, i.address = shifted(x, 4); });
  REFUSED(gatun_plan_input(nullptr, 0, 0, &good), "plan", "null");
  REFUSED(gatun_plan_input(plan, 1, 0, &good), "group", "1");
  REFUSED(gatun_plan_input(plan, 0, 2, &good), "tensor", "2");
  REFUSED(gatun_plan_input(plan, 0, 1, &good), "tensor 1", "no powers");
  REFUSED(gatun_plan_input(plan, 0, 0, &nowhere), "tensor 0", "input", "null");
  REFUSED(gatun_plan_input(plan, 0, 0, &shifted_input), "input", "aligned to 4");
  REFUSED(gatun_plan_input(plan, 0, 0, &other_channels), "3 channels", "4 powers");
  REFUSED(gatun_plan_input(plan, 0, 0, &no_samples), "0 samples");
  REFUSED(gatun_plan_input(plan, 0, 0, &negative), "-8");
  REFUSED(gatun_plan_input(plan, 0, 0, &huge), "samples");
  REFUSED(gatun_plan_input(plan, 0, 0, &unknown), "dtype 9");
  REFUSED(gatun_plan_input(plan, 0, 0, &power), "aligned to 8");
  CHECK_OK(gatun_plan_input(plan, 0, 0, &good));
  CHECK_OK(gatun_plan_input(plan, 0, 1, nullptr));
  const double lr = 0.1;
  const gatun_step_arguments arguments{&lr, 1, 0};
  CHECK_OK(gatun_reduce(plan, &arguments));
  CHECK_OK(gatun_plan_input(plan, 0, 0, nullptr));
  REFUSED(gatun_finalize(plan, &arguments), "gatun_reduce");
  CHECK_OK(gatun_plan_destroy(plan));
}

void traffic() {
  float a[16] = {}, b[16] = {}, c[16] = {};
  void* arrays[] = {a, b, c, nullptr};
  REFUSED(gatun_traffic(nullptr, arrays, 3, 2, 16, GATUN_F32), "context", "null");
  REFUSED(gatun_traffic(context(), nullptr, 3, 2, 16, GATUN_F32), "arrays", "null");
  REFUSED(gatun_traffic(context(), arrays, 4, 2, 16, GATUN_F32), "arrays[3]", "null");
  void* odd[] = {a, shifted(b, 2)};
  REFUSED(gatun_traffic(context(), odd, 2, 2, 8, GATUN_F32), "arrays[1]", "aligned");
  REFUSED(gatun_traffic(context(), arrays, 4, 1, 16, GATUN_F32), "4");
  REFUSED(gatun_traffic(context(), arrays, 2, 3, 16, GATUN_F32), "3");
  REFUSED(gatun_traffic(context(), arrays, -1, 1, 16, GATUN_F32), "-1");
  REFUSED(gatun_traffic(context(), arrays, 3, 2, -16, GATUN_F32), "-16");
  REFUSED(gatun_traffic(context(), arrays, 3, 2, 16, 7), "dtype", "7");
}

void errors_belong_to_threads() {
  REFUSED(gatun_context_synchronize(nullptr), "context");
  const std::string here = gatun_last_error();
  std::thread([] {
    CHECK(gatun_last_error()[0] == 0 && gatun_last_code() == 0, "a new thread begins with the error \"%s\"",
          gatun_last_error());
    REFUSED(gatun_memory_free(nullptr, nullptr, 0), "context");
  }).join();
  CHECK(here == gatun_last_error(), "another thread's error is here: \"%s\"", gatun_last_error());
}

}  // namespace

int main() {
  CHECK(gatun_abi_version() == GATUN_ABI_VERSION, "the library has ABI %d, the header %d", gatun_abi_version(),
        GATUN_ABI_VERSION);
  CHECK(gatun_version() != nullptr && gatun_version()[0] != 0, "no version");
  errors_belong_to_threads();  // first: nothing has failed yet
  descriptions();
  halves();
  null_handles();
  contexts();
  steps();
  inputs();
  traffic();
  CHECK_OK(gatun_context_destroy(context()));
  return result("misuse");
}
