// pool_test - contexts and their threads: made and destroyed, used from several threads, chosen by the environment. The
// test that runs under TSan.
#include <thread>

#include "specs.h"

using namespace test;

namespace {

// Large enough that a step is shared among several threads. A clip makes all of them wait for each other between
// summing and updating; without one, and without the finite check, only the threads that share a tensor wait.
std::vector<GroupSetup> shared_work(bool clip) {
  Spec spec = sgd("", 0.05, 0.9).lookahead(2, 0.5, false);
  if (clip) spec.clip(1);
  return {{adam("", 1e-3, 0.1, GATUN_DECAY_DECOUPLED).standardize(),
           GATUN_F32,
           {matrix_of(40, 3001), vector_of(50000), vector_of(7)}},
          {spec, GATUN_F64, {vector_of(70001), matrix_of(3, 9)}}};
}

std::vector<unsigned char> train(int32_t threads, int steps) {
  std::vector<unsigned char> all;
  for (const bool clip : {false, true}) {
    Problem problem(shared_work(clip), 31);
    Session session(problem, threads);
    for (int step = 1; step <= steps; ++step) {
      if (step <= 3) problem.make_gradients(step, true);
      session.bind();
      CHECK_OK(session.step(step % 4 == 0 ? GATUN_CHECK_FINITE : 0));
    }
    const std::vector<unsigned char> bits = problem.bits();
    all.insert(all.end(), bits.begin(), bits.end());
  }
  return all;
}

void made_and_destroyed(int cycles) {
  Problem problem(shared_work(false), 37);
  problem.make_gradients(1, false);
  for (int i = 0; i < cycles; ++i) {
    Session session(problem, 1 + i % 8);
    if (i % 3 != 0) CHECK_OK(session.step());                                   // and every third never works
    if (i % 7 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // its workers have gone to sleep
  }
}

void two_threads_with_a_context_each(int steps) {
  const std::vector<unsigned char> expected = train(1, steps);
  std::vector<unsigned char> results[2];
  std::thread threads[2];
  for (int i = 0; i < 2; ++i) threads[i] = std::thread([&, i] { results[i] = train(2 + i, steps); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) CHECK(result == expected, "two contexts at once disturb each other");
}

// Steps of two plans on one context come from two threads: they take turns.
void two_threads_on_one_context(int steps) {
  Problem problems[2] = {Problem(shared_work(false), 41), Problem(shared_work(false), 41)};
  gatun_context_options options{};
  options.threads = 3;
  gatun_context* context = nullptr;
  CHECK_OK(gatun_context_create(&options, &context));
  std::thread threads[2];
  for (int i = 0; i < 2; ++i) {
    threads[i] = std::thread([&, i] {
      problems[i].make_gradients(1, false);
      const std::vector<gatun_group> groups = problems[i].describe();
      gatun_plan* plan = nullptr;
      CHECK_OK(gatun_plan_create(context, groups.data(), int64_t(groups.size()), &plan));
      const std::vector<double> rates = problems[i].learning_rates();
      const gatun_step_arguments arguments{rates.data(), 1, 0};
      for (int step = 0; step < steps; ++step) CHECK_OK(gatun_step(plan, &arguments));
      CHECK_OK(gatun_plan_destroy(plan));
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_OK(gatun_context_destroy(context));
  CHECK(problems[0].bits() == problems[1].bits(), "two plans on one context disturb each other");
}

// A context made by one thread and used by others: a plan is not tied to the thread that made it.
void handed_over() {
  Problem problem(shared_work(false), 31), kept(shared_work(false), 31);
  Session session(problem, 2), here(kept, 1);
  for (int step = 1; step <= 2; ++step) {
    std::thread([&, step] {
      problem.make_gradients(step, true);
      session.bind();
      CHECK_OK(session.step());
    }).join();
    kept.make_gradients(step, true);
    here.bind();
    CHECK_OK(here.step());
  }
  CHECK(problem.bits() == kept.bits(), "a context handed to another thread gives other bits");
}

gatun_status make(gatun_context_options options, gatun_device_info* info = nullptr) {
  gatun_context* context = nullptr;
  const gatun_status status = gatun_context_create(&options, &context);
  if (status != GATUN_OK) {
    CHECK(context == nullptr, "a refused context is not null");
    return status;
  }
  if (info != nullptr) CHECK_OK(gatun_context_info(context, info));
  CHECK_OK(gatun_context_synchronize(context));
  CHECK_OK(gatun_context_destroy(context));
  return status;
}

void refused(const char* variable, const char* value) {
  setenv(variable, value, 1);
  const gatun_status status = make({});
  CHECK(status == GATUN_INVALID_ARGUMENT, "%s=%s gives status %d", variable, value, int(status));
  CHECK(std::string(gatun_last_error()).find(std::string(variable) + "=" + value) != std::string::npos,
        "%s=%s: the message is \"%s\"", variable, value, gatun_last_error());
  unsetenv(variable);
}

void environment() {
  gatun_device_info info{};
  CHECK_OK(make({}, &info));
  CHECK(info.threads >= 1 && info.isa == gatun_cpu_best_isa() && info.memory_bytes > 0 && info.name[0] != 0,
        "threads %d, isa %d, %lld bytes, \"%s\"", info.threads, info.isa, (long long)info.memory_bytes, info.name);

  setenv("GATUN_THREADS", "3", 1);
  CHECK_OK(make({}, &info));
  CHECK(info.threads == 3, "GATUN_THREADS=3 gives %d threads", info.threads);
  gatun_context_options five{};
  five.threads = 5;
  CHECK_OK(make(five, &info));
  CHECK(info.threads == 5, "5 threads asked for, GATUN_THREADS=3: %d threads", info.threads);
  for (const char* bad : {"0", "-2", "abc", "2x", "1.5", "99999999999999999999", "1000000"})
    refused("GATUN_THREADS", bad);
  unsetenv("GATUN_THREADS");

  const char* names[] = {"scalar", "avx2", "avx512"};
  for (int32_t isa = GATUN_ISA_SCALAR; isa <= GATUN_ISA_AVX512; ++isa) {
    const char* name = names[isa - GATUN_ISA_SCALAR];
    gatun_context_options options{};
    setenv("GATUN_ISA", name, 1);
    const gatun_status by_name = make(options, &info);
    unsetenv("GATUN_ISA");
    if (isa <= gatun_cpu_best_isa()) {
      CHECK(by_name == GATUN_OK && info.isa == isa, "GATUN_ISA=%s gives status %d, isa %d", name, int(by_name),
            info.isa);
      options.isa = isa;
      CHECK(make(options, &info) == GATUN_OK && info.isa == isa, "isa %s gives %d", name, info.isa);
    } else {
      CHECK(by_name == GATUN_UNAVAILABLE, "GATUN_ISA=%s without the CPU for it gives status %d", name, int(by_name));
    }
  }
  for (const char* bad : {"AVX2", "sse", "avx", "avx5122", "2"}) refused("GATUN_ISA", bad);
}

void traffic() {
  gatun_context_options options{};
  options.threads = 3;
  gatun_context* context = nullptr;
  CHECK_OK(gatun_context_create(&options, &context));
  for (const int64_t n : {0, 1, 15, 16, 17, 1000, 100003}) {
    Problem problem({{adam("", 1), GATUN_F32, {vector_of(n)}}}, 43);
    TensorData& tensor = problem.groups[0].tensors[0];
    problem.make_gradients(1, false);
    const std::vector<unsigned char> before = problem.bits();
    void* arrays[] = {tensor.weight.data(), tensor.state[0].data(), tensor.state[1].data(), tensor.gradient.data()};
    CHECK_OK(gatun_traffic(context, arrays, 4, 3, n, GATUN_F32));
    CHECK_OK(gatun_traffic(context, arrays, 4, 0, n, GATUN_F32));
    CHECK(problem.bits() == before && problem.padding_intact(), "traffic over %lld elements changed bits",
          (long long)n);
  }
  CHECK_OK(gatun_context_destroy(context));
}

}  // namespace

int main() {
  unsetenv("GATUN_THREADS");
  unsetenv("GATUN_ISA");
  const bool slow = flag("GATUN_TEST_SLOW_BUILD");
  made_and_destroyed(slow ? 40 : 200);
  two_threads_with_a_context_each(slow ? 12 : 100);
  two_threads_on_one_context(slow ? 10 : 100);
  handed_over();
  environment();
  traffic();
  return result("pool");
}
