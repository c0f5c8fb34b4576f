// cuda_plan_test BACKEND - what the CUDA plan's host side promises, on the emulated device: steps that are only asked
// for, addresses that move, captured graphs, and every call of the runtime failing once.
#include <cstdlib>
#include <cstring>

#include "cuda_problem.h"
#include "emulator/cuda_runtime_api.h"
#include "rules/rules.h"
#include "specs.h"

using namespace test;

namespace {

std::vector<GroupSetup> setup(bool clips = true) {
  Spec sing = adam("", 5e-3, 5e-3, GATUN_DECAY_DECOUPLED, false, 50).standardize().lookahead(3, 0.5, true);
  if (clips) sing.clip(3);
  const std::vector<Shape> shapes = {vector_of(70), matrix_of(3, 2100), matrix_of(20, 9), vector_of(2050)};
  return {{sing, GATUN_F32, shapes}, {sgd("", 0.05, 0.9), GATUN_F64, shapes}};
}

// The learning rate, the scale and the gradients' addresses change at every step; nobody waits before the end.
void asynchronous() {
  gatun_emulator_order(3, 2, 2);
  Problem expected(setup(), 7), actual(setup(), 7);
  CudaContext context;
  Session cpu(expected, 1);
  CudaSession cuda(context, actual, false);
  expected.make_gradients(1, false);
  actual.make_gradients(1, false);
  cuda.bind();
  for (int step = 1; step <= 50; ++step) {
    const double rates[] = {5e-3 / step, 0.05 + step}, scale = 1.0 / step;
    const gatun_step_arguments arguments{rates, scale, step % 2 == 0 ? GATUN_CHECK_FINITE : 0};
    for (size_t g = 0; g < 2; ++g) {
      for (size_t k = 0; k < 4; ++k) {
        const size_t t = step % 2 == 0 ? k : 3 - k;  // in any order
        const bool idle = (step + int(t)) % 5 == int(g);
        void* const gradient = expected.groups[g].tensors[t].gradient.data();
        CHECK_OK(gatun_plan_gradient(cpu.plan(), int64_t(g), int64_t(t), idle ? nullptr : gradient,
                                     expected.groups[g].dtype));
        CHECK_OK(gatun_plan_gradient(cuda.plan(), int64_t(g), int64_t(t), idle ? nullptr : cuda.gradient(g, t),
                                     expected.groups[g].dtype));
      }
    }
    CHECK_OK(gatun_step(cpu.plan(), &arguments));
    const long long copies = gatun_emulator_copies(), launches = gatun_emulator_launches();
    CHECK_OK(gatun_step(cuda.plan(), &arguments));
    CHECK(gatun_emulator_copies() - copies <= 2, "step %d makes %lld copies", step, gatun_emulator_copies() - copies);
    CHECK(gatun_emulator_launches() - launches == 3, "step %d launches %lld kernels; one sums, one applies each rule",
          step, gatun_emulator_launches() - launches);
  }
  cuda.download();
  CHECK(actual.bits() == expected.bits(), "50 steps in a row give other bits than on the CPU");
}

// A step costs one copy and two launches for any number of tensors, while addresses stay.
void few_calls() {
  for (const int64_t count : {int64_t(1), int64_t(700)}) {
    Problem problem({{adam("", 1e-3), GATUN_F32, std::vector<Shape>(size_t(count), vector_of(3))}}, 7);
    CudaContext context;
    CudaSession cuda(context, problem, false);
    problem.make_gradients(1, false);
    cuda.bind();
    CHECK_OK(cuda.step(0, 1));
    for (const int64_t flags : {int64_t(0), int64_t(GATUN_CHECK_FINITE)}) {
      const long long copies = gatun_emulator_copies(), launches = gatun_emulator_launches();
      gatun_emulator_fail(0, 0);
      CHECK_OK(cuda.step(flags, 1));
      CHECK(gatun_emulator_copies() - copies == 1 && gatun_emulator_launches() - launches == 2,
            "%lld tensors: %lld copies, %lld launches", (long long)count, gatun_emulator_copies() - copies,
            gatun_emulator_launches() - launches);
      CHECK(gatun_emulator_calls() <= 7, "%lld tensors: %lld calls of the runtime", (long long)count,
            gatun_emulator_calls());
    }
  }
}

// A step captured once and replayed with values that the capture has not seen. Fused: in one launch for the tensors
// with sums, and without a check.
void capture(bool fused) {
  gatun_emulator_order(9, 3, 2);
  setenv("GATUN_CUDA_WINDOW", "2000", 1);
  const int64_t flags = fused ? 0 : GATUN_CHECK_FINITE;
  Problem expected(setup(!fused), 7), actual(setup(!fused), 7);
  expected.make_gradients(1, false);
  actual.make_gradients(1, false);
  Session cpu(expected, 1);
  cudaStream_t stream = nullptr;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  gatun_context_options options{};
  options.backend = GATUN_CUDA;
  options.stream = stream;
  gatun_context* context = nullptr;
  gatun_plan* plan = nullptr;
  CHECK_OK(gatun_context_create(&options, &context));
  const std::vector<gatun_group> groups = actual.describe();  // the emulated kernels may work on the host's arrays
  CHECK_OK(gatun_plan_create(context, groups.data(), int64_t(groups.size()), &plan));

  const double unused[] = {123, 123};
  gatun_step_arguments arguments{unused, 0, flags};
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  const long long launches = gatun_emulator_launches();
  CHECK_OK(gatun_step(plan, &arguments));
  CHECK(gatun_emulator_launches() - launches == (fused ? 4 : 3), "%lld launches", gatun_emulator_launches() - launches);
  cudaStreamEndCapture(stream, &graph);
  cudaGraphInstantiate(&executable, graph, 0);
  for (int step = 1; step <= 7; ++step) {
    const double rates[] = {5e-3 * step, 0.05 / step};
    arguments = {rates, 1.0 / step, flags};
    if (step == 5 && !fused) {  // refused: the next replay must find counters as they should be
      expected.groups[1].tensors[2].gradient.set(4, 1e300);
      actual.groups[1].tensors[2].gradient.set(4, 1e300);
    }
    if (step == 6) {
      expected.make_gradients(2, false);
      actual.make_gradients(2, false);
    }
    CHECK_OK(gatun_plan_values(cpu.plan(), &arguments));
    CHECK_OK(gatun_step(cpu.plan(), &arguments));
    CHECK_OK(gatun_plan_values(plan, &arguments));
    cudaGraphLaunch(executable, stream);
    gatun_step_report report{};
    CHECK_OK(gatun_report(plan, &report));
    CHECK(report.skipped == (step == 5 && !fused) && report.skipped == cpu.report().skipped, "replay %d", step);
    CHECK(actual.bits() == expected.bits(), "replay %d gives other bits than the CPU", step);
  }
  // Addresses that the device does not know yet cannot be captured: a replay would bring them back for ever.
  CHECK_OK(gatun_plan_gradient(plan, 0, 0, nullptr, GATUN_F32));
  cudaGraph_t refused = nullptr;
  arguments.lr = unused;
  cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  CHECK(gatun_step(plan, &arguments) == GATUN_CUDA_ERROR &&
            std::strstr(gatun_last_error(), "cudaErrorStreamCaptureUnsupported") != nullptr,
        "new addresses were captured: %s", gatun_last_error());
  cudaStreamEndCapture(stream, &refused);
  CHECK_OK(gatun_plan_destroy(plan));
  CHECK_OK(gatun_context_destroy(context));
  cudaGraphDestroy(refused);
  cudaGraphDestroy(graph);
  cudaGraphExecDestroy(executable);
  cudaStreamDestroy(stream);
}

// The gradient's type is that of what is bound, at the same address too, and in a captured step's replays.
void gradient_types() {
  gatun_emulator_order(5, 2, 2);
  const Types halves{GATUN_BF16, GATUN_BF16, GATUN_STOCHASTIC, 3};
  const Spec spec = adam("", 1e-2).standardize();
  Problem expected({{spec, GATUN_F32, {vector_of(2100), matrix_of(3, 5)}, halves}}, 7),
      actual({{spec, GATUN_F32, {vector_of(2100), matrix_of(3, 5)}, halves}}, 7);
  CudaContext context;
  Session cpu(expected, 1);
  CudaSession cuda(context, actual, false);
  for (int step = 1; step <= 6; ++step) {
    expected.make_gradients(step, false);
    actual.make_gradients(step, false);
    cuda.bind();
    // the same bytes, read as BF16 or as F16
    const int32_t dtype = step % 3 == 0 ? GATUN_F16 : GATUN_BF16;
    for (int64_t t = 0; t < 2; ++t) {
      CHECK_OK(gatun_plan_gradient(cpu.plan(), 0, t, expected.groups[0].tensors[size_t(t)].gradient.data(), dtype));
      CHECK_OK(gatun_plan_gradient(cuda.plan(), 0, t, cuda.gradient(0, size_t(t)), dtype));
    }
    CHECK_OK(cpu.step());
    CHECK_OK(cuda.step(0, 1));
    cuda.download();
    CHECK(actual.bits() == expected.bits(), "step %d, gradients of type %d: other bits than on the CPU", step, dtype);
  }
}

// Memory is moved and keeps its bits, NaNs' too, for every number of arrays, at any address.
void traffic() {
  gatun_emulator_order(3, 2, 2);
  CudaContext context;
  for (int32_t written = 0; written <= GATUN_MAX_STATE; ++written)
    for (int32_t read = written == 0; read <= (written == 0 ? GATUN_MAX_STATE : 2); ++read)
      for (const bool misaligned : {false, true}) {
        const int32_t count = written + read;
        const int64_t length = 5001;
        std::vector<Buffer> buffers;
        std::vector<DeviceArray> arrays;
        std::vector<void*> addresses;
        for (int32_t k = 0; k < count; ++k) {
          buffers.emplace_back(length, GATUN_F32);
          for (int64_t i = 0; i < length; ++i)
            static_cast<uint32_t*>(buffers.back().data())[i] = uint32_t(i * 2654435761);
          arrays.emplace_back(context, buffers.back(), misaligned && k == count - 1);
          addresses.push_back(arrays.back().data());
        }
        const long long launches = gatun_emulator_launches();
        CHECK_OK(gatun_traffic(context.get(), addresses.data(), count, written, length, GATUN_F32));
        CHECK(gatun_emulator_launches() - launches == 1, "traffic makes %lld launches",
              gatun_emulator_launches() - launches);
        for (int32_t k = 0; k < count; ++k) {
          Buffer after(length, GATUN_F32);
          arrays[size_t(k)].download(after);
          CHECK(std::memcmp(after.data(), buffers[size_t(k)].data(), after.bytes()) == 0,
                "traffic of %d arrays, %d written: array %d has other bits", count, written, k);
        }
      }
}

// Inputs of a captured step change with every replay, and grow beyond the memory that their parts had.
void captured_inputs() {
  gatun_emulator_order(9, 3, 2);
  const gatun_nsgd nsgd{0.9, 0, 0.05, 0.01, 0.5, 0, 0, 0, 0};
  const std::vector<GroupSetup> setups = {{test::rule("", GATUN_RULE_NSGD, 0.05, nsgd, 1, 1),
                                           GATUN_F32,
                                           {matrix_of(4, 10), matrix_of(4, 18), vector_of(9)}}};
  Problem expected(setups, 7), actual(setups, 7);
  Session cpu(expected, 1);
  cudaStream_t stream = nullptr;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  gatun_context_options options{};
  options.backend = GATUN_CUDA;
  options.stream = stream;
  gatun_context* context = nullptr;
  gatun_plan* plan = nullptr;
  CHECK_OK(gatun_context_create(&options, &context));
  const std::vector<gatun_group> groups = actual.describe();
  CHECK_OK(gatun_plan_create(context, groups.data(), 1, &plan));
  const double lr = 0.05;
  const gatun_step_arguments arguments{&lr, 0.5, GATUN_CHECK_FINITE};
  const auto bind = [&](int step) {
    expected.make_gradients(step, false);
    actual.make_gradients(step, false);
    cpu.bind();
    for (int64_t t = 0; t < 2; ++t) CHECK_OK(gatun_plan_input(plan, 0, t, &actual.groups[0].tensors[size_t(t)].fed));
  };
  bind(1);
  cudaGraph_t graph = nullptr;
  cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  CHECK(gatun_step(plan, &arguments) == GATUN_CUDA_ERROR &&
            std::strstr(gatun_last_error(), "gradients and inputs") != nullptr,
        "new inputs were captured: %s", gatun_last_error());
  cudaStreamEndCapture(stream, &graph);
  cudaGraphDestroy(graph);
  CHECK_OK(gatun_plan_destroy(plan));  // it has stopped
  CHECK_OK(gatun_plan_create(context, groups.data(), 1, &plan));
  bind(1);
  CHECK_OK(gatun_plan_values(plan, &arguments));
  cudaGraphExec_t executable = nullptr;
  cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  CHECK_OK(gatun_step(plan, &arguments));
  cudaStreamEndCapture(stream, &graph);
  cudaGraphInstantiate(&executable, graph, 0);
  for (int step = 1; step <= 12; ++step) {
    bind(step);
    if (step == 4) {  // an input too large to be taken changes nothing
      gatun_input large = actual.groups[0].tensors[0].fed;
      large.samples = int64_t(1) << 40;
      gatun_emulator_fail(2, cudaErrorMemoryAllocation);
      CHECK(gatun_plan_input(plan, 0, 0, &large) == GATUN_OUT_OF_MEMORY, "no memory for parts: %s", gatun_last_error());
      gatun_emulator_fail(0, 0);
    }
    CHECK_OK(cpu.step(GATUN_CHECK_FINITE, 0.5));
    CHECK_OK(gatun_plan_values(plan, &arguments));
    const long long copies = gatun_emulator_copies();
    CHECK_OK(gatun_plan_input(plan, 0, 0, &actual.groups[0].tensors[0].fed));
    CHECK_OK(gatun_plan_values(plan, &arguments));
    CHECK(gatun_emulator_copies() - copies == 1, "an input that stays is copied again");
    cudaGraphLaunch(executable, stream);
    gatun_step_report report{};
    CHECK_OK(gatun_report(plan, &report));
    CHECK(report.skipped == 0 && actual.bits() == expected.bits(), "replay %d gives other bits than the CPU", step);
  }
  CHECK_OK(gatun_plan_destroy(plan));
  CHECK_OK(gatun_context_destroy(context));
  cudaGraphDestroy(graph);
  cudaGraphExecDestroy(executable);
  cudaStreamDestroy(stream);
}

// A misspelt design is an error, not the default.
void environment() {
  CudaContext context;
  gatun_plan* plan = nullptr;
  const auto refused = [&](const char* name, const char* value, const char* words) {
    setenv(name, value, 1);
    CHECK(gatun_plan_create(context.get(), nullptr, 0, &plan) == GATUN_INVALID_ARGUMENT &&
              std::strstr(gatun_last_error(), words) != nullptr,
          "%s=%s: %s", name, value, gatun_last_error());
    unsetenv(name);
  };
  refused("GATUN_CUDA_DESIGN", "one", "GATUN_CUDA_DESIGN=one: give auto, fused or two");
  refused("GATUN_CUDA_WINDOW", "1k", "GATUN_CUDA_WINDOW=1k: give a number of elements");
}

// Everything that a program does, with the n-th call of the runtime failing. Every function either works or says why
// not; after a failed step the plan takes no other; nothing is left over. Returns whether anything failed.
bool life_with_fault(long long n) {
  Problem problem({{adam("", 1e-3).standardize(), GATUN_F32, {matrix_of(3, 5), vector_of(9)}},
                   {sgd("", 1e-3), GATUN_F32, {vector_of(9)}, {GATUN_BF16, GATUN_F16, GATUN_STOCHASTIC, 1}}},
                  7);
  problem.make_gradients(1, false);
  bool failed = false;
  const auto told = [&](gatun_status status, const char* what) {
    if (status == GATUN_OK) return true;
    failed = true;
    CHECK(status == GATUN_CUDA_ERROR && gatun_last_code() == cudaErrorIllegalAddress,
          "call %lld: %s: status %d, code %d", n, what, int(status), gatun_last_code());
    CHECK(std::strstr(gatun_last_error(), "cudaErrorIllegalAddress (700): an illegal memory access was encountered"),
          "call %lld: %s says: %s", n, what, gatun_last_error());
    return false;
  };
  gatun_emulator_fail(n, cudaErrorIllegalAddress);
  gatun_context_options options{};
  options.backend = GATUN_CUDA;
  gatun_context* context = nullptr;
  if (!told(gatun_context_create(&options, &context), "context_create")) {
    CHECK(context == nullptr, "call %lld: a context in spite of a failure", n);
    return true;
  }
  gatun_device_info info{};
  told(gatun_context_info(context, &info), "context_info");
  void *memory = nullptr, *pinned = nullptr;
  if (told(gatun_memory_allocate(context, 1000, 0, &memory), "allocate")) {
    if (told(gatun_memory_allocate(context, 1000, 1, &pinned), "allocate pinned")) {
      told(gatun_memory_copy(context, memory, pinned, 1000), "copy");
      told(gatun_traffic(context, &memory, 1, 1, 250, GATUN_F32), "traffic");
      told(gatun_context_synchronize(context), "synchronize");
      told(gatun_memory_free(context, pinned, 1), "free pinned");
    }
    told(gatun_memory_free(context, memory, 0), "free");
  }
  gatun_plan* plan = nullptr;
  const std::vector<gatun_group> groups = problem.describe();
  if (told(gatun_plan_create(context, groups.data(), 2, &plan), "plan_create")) {
    const double lr[] = {1e-3, 1e-3};
    const gatun_step_arguments arguments{lr, 1, GATUN_CHECK_FINITE};
    for (int step = 0; step < 20; ++step) {
      gatun_step_report report{};
      CHECK_OK(gatun_plan_gradient(plan, 0, 1, step % 2 == 0 ? nullptr : problem.groups[0].tensors[1].gradient.data(),
                                   GATUN_F32));
      CHECK_OK(gatun_plan_gradient(plan, 1, 0, problem.groups[1].tensors[0].gradient.data(),
                                   step % 2 == 0 ? GATUN_BF16 : GATUN_F16));
      const bool stepped = told(gatun_step(plan, &arguments), "step");
      if (stepped && (step % 18 != 0 || told(gatun_report(plan, &report), "report"))) continue;
      const std::string reason = gatun_last_error();
      for (int again = 0; again < 2; ++again) {
        CHECK(!told(gatun_step(plan, &arguments), "a step after a failure"), "call %lld: a stopped plan steps", n);
        CHECK(std::strstr(gatun_last_error(), "this optimizer stopped") != nullptr &&
                  std::strstr(gatun_last_error(), reason.c_str()) != nullptr,
              "call %lld: a stopped plan says: %s", n, gatun_last_error());
        CHECK(!told(gatun_report(plan, &report), "a report after a failure"), "call %lld: a stopped plan reports", n);
      }
      break;
    }
    // a failure while something ends is that of what came before; the memory is free all the same
    const bool before = failed;
    gatun_plan_destroy(plan);
    failed = before || gatun_emulator_calls() >= n;
  }
  told(gatun_context_destroy(context), "context_destroy");
  return failed;
}

void faults() {
  gatun_emulator_order(0, 1, 1);
  int64_t n = 1;
  for (; life_with_fault(n); ++n) {
    CHECK(gatun_emulator_live() == 0, "call %lld failed: %lld allocations, streams or events are left", (long long)n,
          gatun_emulator_live());
    if (n > 1000) break;
  }
  CHECK(n > 100 && n < 1000, "%lld calls were made to fail", (long long)n);
  gatun_emulator_fail(0, 0);
}

// A rule without kernels is refused by its name before anything is built.
void refused_rules() {
  CudaContext context;
#define GATUN_REFUSED(number, constant, name, fields)                                                              \
  if constexpr (!gatun::Rule<number>::kOnCuda) {                                                                   \
    const gatun_##name arguments{};                                                                                \
    Problem problem({{test::rule("", number, 1e-3, arguments, gatun::Rule<number>::slots(0)), GATUN_F32, {}}}, 7); \
    gatun_plan* plan = nullptr;                                                                                    \
    CHECK(gatun_plan_create(context.get(), problem.describe().data(), 1, &plan) == GATUN_UNAVAILABLE &&            \
              std::strstr(gatun_last_error(), "computes " #name " on the CPU only") != nullptr,                    \
          #name ": %s", gatun_last_error());                                                                       \
  }
  GATUN_RULES(GATUN_REFUSED)
#undef GATUN_REFUSED
}

// Out of memory is told as such, with what was asked for.
void out_of_memory() {
  CudaContext context;
  void* memory = nullptr;
  CHECK(gatun_memory_allocate(context.get(), int64_t(1) << 50, 0, &memory) == GATUN_OUT_OF_MEMORY, "a petabyte: %s",
        gatun_last_error());
  Problem problem({{adam("", 1e-3), GATUN_F32, {vector_of(9)}}}, 7);
  const std::vector<gatun_group> groups = problem.describe();
  gatun_plan* plan = nullptr;
  for (const long long n : {2, 3}) {
    gatun_emulator_fail(n, cudaErrorMemoryAllocation);
    CHECK(gatun_plan_create(context.get(), groups.data(), 1, &plan) == GATUN_OUT_OF_MEMORY && plan == nullptr,
          "no memory for tables: %s", gatun_last_error());
  }
  gatun_emulator_fail(0, 0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  CHECK_OK(gatun_cuda_open(argv[1]));
  asynchronous();
  few_calls();
  for (const bool fused : {false, true}) capture(fused);
  gradient_types();
  traffic();
  captured_inputs();
  environment();
  faults();
  out_of_memory();
  refused_rules();
  CHECK(gatun_emulator_live() == 0, "%lld allocations, streams or events are left", gatun_emulator_live());
  return result("cuda_plan");
}
