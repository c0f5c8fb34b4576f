// allocation_test - a step asks for no memory: not the first after gradients were bound, not later ones, on no thread.
// Its own malloc, which every library of the process then uses, counts while a step runs.
#include <malloc.h>

#include <cerrno>
#include <cmath>

#include "specs.h"

namespace {

std::atomic<bool> counting{false};
std::atomic<long> calls{0};
void count() {
  if (counting.load(std::memory_order_relaxed)) ++calls;
}

}  // namespace

extern "C" {
// glibc's own, under the names that it keeps for replacements such as these.
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

#define REPLACED __attribute__((visibility("default"))) void*
REPLACED malloc(size_t size) { return count(), __libc_malloc(size); }
REPLACED calloc(size_t n, size_t size) { return count(), __libc_calloc(n, size); }
REPLACED realloc(void* old, size_t size) { return count(), __libc_realloc(old, size); }
REPLACED memalign(size_t alignment, size_t size) { return count(), __libc_memalign(alignment, size); }
REPLACED aligned_alloc(size_t alignment, size_t size) { return count(), __libc_memalign(alignment, size); }
__attribute__((visibility("default"))) int posix_memalign(void** memory, size_t alignment, size_t size) {
  count();
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}
}

using namespace test;

namespace {

constexpr int kThreads[] = {1, 3};

// What the steps of one optimizer ask for, whatever their flags, with gradients that come and go.
void no_step_allocates(const Spec& spec, int32_t dtype, const Types& types, const std::vector<Shape>& shapes,
                       int steps) {
  for (const int threads : kThreads) {
    Problem problem({{spec, dtype, shapes, types}, {spec, dtype, {vector_of(50), matrix_of(2, 3)}, types}}, 11);
    Session session(problem, threads);
    const std::vector<double> rates = problem.learning_rates();
    for (int step = 1; step <= steps; ++step) {
      if (step <= 4) {
        problem.make_gradients(step, step > 2);
        if (step == 4) problem.groups[0].tensors[1].gradient.set(0, NAN);  // refused
      }
      const int64_t flags[] = {0, GATUN_CHECK_FINITE, GATUN_CHECK_FINITE | GATUN_ZERO_GRADIENTS};
      const gatun_step_arguments arguments{rates.data(), 1, flags[step % 3]};
      // A batch larger than any before may ask for room when it is bound; a gradient never does.
      if (step <= 4 && spec.takes_inputs()) session.bind();
      const long before = calls;
      counting = true;
      if (step <= 4 && !spec.takes_inputs()) session.bind();
      const gatun_status status = gatun_step(session.plan(), &arguments);
      counting = false;
      CHECK(status == GATUN_OK, "%s: %s", spec.name.c_str(), gatun_last_error());
      CHECK(calls == before, "%s, dtype %d, weights %d, %d threads, step %d: %ld allocations", spec.name.c_str(), dtype,
            types.weight, threads, step, calls - before);
    }
  }
}

// The counter itself: it sees the library's own allocations, on any thread.
void the_counter_counts() {
  Problem problem({{adam("", 1e-3), GATUN_F32, {vector_of(10)}}}, 3);
  const std::vector<gatun_group> groups = problem.describe();
  counting = true;
  { Session session(problem, 2); }
  counting = false;
  CHECK(calls > 3, "a context and a plan were made with %ld allocations", calls.load());
}

}  // namespace

int main() {
  the_counter_counts();
  std::vector<Spec> specs = all_specs();
  for (const Spec& spec : other_specs(true)) specs.push_back(spec);
  const std::vector<Shape> shapes = {vector_of(1),      vector_of(2049), matrix_of(3, 5),
                                     matrix_of(228, 9), {0, 0, false},   matrix_of(3, 2049)};
  for (const Spec& spec : specs) {
    no_step_allocates(spec, GATUN_F32, {}, shapes, 12);
    no_step_allocates(spec, GATUN_F64, {}, shapes, 5);
    no_step_allocates(spec, GATUN_F32, {GATUN_BF16, GATUN_F16, GATUN_STOCHASTIC, 1}, shapes, 5);
  }
  // long, and large enough that threads share a tensor
  for (const Spec& spec : {specs[0], adam("adamw", 1e-3, 0.1, GATUN_DECAY_DECOUPLED).standardize().clip(1)})
    no_step_allocates(spec, GATUN_F32, {}, {vector_of(150001), matrix_of(7, 20011)}, 1000);
  return result("allocation");
}
