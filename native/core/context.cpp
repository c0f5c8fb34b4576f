#include "core/context.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "core/cuda_door.h"
#include "core/error.h"

namespace gatun {
namespace {

constexpr int kMaxThreads = 1024;
constexpr const char* kIsaNames[] = {"auto", "scalar", "avx2", "avx512"};

int usable_cpus() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

int threads_wanted(int32_t option) {
  if (option < 0 || option > kMaxThreads)
    fail(GATUN_INVALID_ARGUMENT, "threads: %d; must be 0 (all CPUs of this process) to %d", option, kMaxThreads);
  if (option > 0) return option;
  const char* text = std::getenv("GATUN_THREADS");
  if (text == nullptr || *text == 0) return usable_cpus();
  char* end;
  errno = 0;
  const long value = std::strtol(text, &end, 10);
  if (errno != 0 || *end != 0 || value < 1 || value > kMaxThreads)
    fail(GATUN_INVALID_ARGUMENT, "GATUN_THREADS=%s: must be a number from 1 to %d", text, kMaxThreads);
  return int(value);
}

int32_t isa_wanted(int32_t option) {
  if (option < GATUN_ISA_AUTO || option > GATUN_ISA_AVX512)
    fail(GATUN_INVALID_ARGUMENT, "isa: %d; must be a gatun_isa", option);
  const int32_t best = best_isa();
  if (option == GATUN_ISA_AUTO) {
    const char* text = std::getenv("GATUN_ISA");
    if (text == nullptr || *text == 0) return best;
    for (option = GATUN_ISA_AVX512; option > GATUN_ISA_AUTO && std::strcmp(text, kIsaNames[option]) != 0;) --option;
    if (option == GATUN_ISA_AUTO) fail(GATUN_INVALID_ARGUMENT, "GATUN_ISA=%s: must be scalar, avx2 or avx512", text);
  }
  if (option > best)
    fail(GATUN_UNAVAILABLE, "instruction set %s: this CPU and operating system support %s at most", kIsaNames[option],
         kIsaNames[best]);
  return option;
}

// "model name : AMD EPYC ..." of /proc/cpuinfo.
void cpu_name(char* name, size_t size) {
  std::snprintf(name, size, "CPU");
  std::FILE* file = std::fopen("/proc/cpuinfo", "re");
  if (file == nullptr) return;
  char line[256];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    const char* colon = std::strncmp(line, "model name", 10) == 0 ? std::strchr(line, ':') : nullptr;
    if (colon == nullptr) continue;
    std::snprintf(name, size, "%.*s", int(std::strcspn(colon + 2, "\n")), colon + 2);
    break;
  }
  std::fclose(file);
}

}  // namespace
}  // namespace gatun

using namespace gatun;

gatun_context::gatun_context(const gatun_context_options& options) : backend(options.backend) {
  if (backend == GATUN_CUDA) {
    if (options.ordinal < 0) fail(GATUN_INVALID_ARGUMENT, "ordinal: %d; must be 0 or more", options.ordinal);
    cuda_check(cuda_backend()->context_create(options.ordinal, options.stream, &cuda), "opening the CUDA device");
    return;
  }
  if (backend != GATUN_CPU) fail(GATUN_INVALID_ARGUMENT, "backend: %d; must be a gatun_backend", backend);
  isa = isa_wanted(options.isa);
  pool = std::make_unique<Pool>(threads_wanted(options.threads));
}

gatun_context::~gatun_context() {
  if (cuda != nullptr) cuda_backend()->context_destroy(cuda);
}

gatun_device_info gatun_context::info() {
  gatun_device_info info{};
  if (cuda != nullptr) {
    cuda_check(cuda_backend()->context_info(cuda, &info), "asking the CUDA device what it is");
    return info;
  }
  info.memory_bytes = int64_t(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  info.threads = pool->threads();
  info.isa = isa;
  cpu_name(info.name, sizeof info.name);
  return info;
}

void gatun_context::synchronize() {
  if (cuda != nullptr) cuda_check(cuda_backend()->synchronize(cuda), "waiting for the CUDA stream");
}

void* gatun_context::allocate(int64_t bytes, bool pinned) {
  if (bytes < 0) fail(GATUN_INVALID_ARGUMENT, "bytes: %lld; must be 0 or more", (long long)bytes);
  void* memory = nullptr;
  if (cuda != nullptr) {
    cuda_check(cuda_backend()->allocate(cuda, bytes, pinned, &memory), "allocating CUDA memory");
    return memory;
  }
  // Large blocks ask for large pages before they are touched: with 4 KiB a core of a Zen 4 reads 20 GB/s, with 2 MiB 33
  // (bench/NOTES.md). Most systems give them only to those who ask; where there are none, nothing is lost.
  constexpr size_t kLargePage = size_t(1) << 21;
  const bool large = size_t(bytes) >= 2 * kLargePage;
  const size_t alignment = large ? kLargePage : 256;
  const size_t size = (size_t(bytes) + alignment - 1) / alignment * alignment;
  memory = std::aligned_alloc(alignment, size == 0 ? alignment : size);
  if (memory == nullptr) fail(GATUN_OUT_OF_MEMORY, "no %lld bytes of memory to be had", (long long)bytes);
  if (large) madvise(memory, size, MADV_HUGEPAGE);
  std::memset(memory, 0, size);
  return memory;
}

void gatun_context::free(void* memory, bool pinned) {
  if (cuda != nullptr)
    cuda_check(cuda_backend()->release(cuda, memory, pinned), "freeing CUDA memory");
  else
    std::free(memory);
}

void gatun_context::copy(void* destination, const void* source, int64_t bytes) {
  if (bytes < 0) fail(GATUN_INVALID_ARGUMENT, "bytes: %lld; must be 0 or more", (long long)bytes);
  if (bytes == 0) return;
  if (destination == nullptr || source == nullptr) fail(GATUN_INVALID_ARGUMENT, "copy: an address is null");
  if (cuda != nullptr)
    cuda_check(cuda_backend()->copy(cuda, destination, source, bytes), "copying CUDA memory");
  else
    std::memmove(destination, source, size_t(bytes));
}

void gatun_context::traffic(void* const* arrays, int32_t count, int32_t written, int64_t length, int32_t dtype) {
  const int32_t most = written == 0 ? GATUN_MAX_STATE : 2, read = count - written;
  if (written < 0 || written > GATUN_MAX_STATE || read < 0 || read > most)
    fail(
        GATUN_INVALID_ARGUMENT,
        "traffic: %d arrays of which %d are written; up to %d may be, and up to %d only read, or %d if none is written",
        count, written, GATUN_MAX_STATE, 2, GATUN_MAX_STATE);
  for (int32_t k = 0; k < count; ++k)
    if (arrays[k] == nullptr || reinterpret_cast<uintptr_t>(arrays[k]) % 4 != 0)
      fail(GATUN_INVALID_ARGUMENT, "traffic: arrays[%d] is %s", k,
           arrays[k] == nullptr ? "null" : "not aligned to 4 bytes");
  if (length < 0) fail(GATUN_INVALID_ARGUMENT, "length: %lld; must be 0 or more", (long long)length);
  if (dtype != GATUN_F32 && dtype != GATUN_F64) fail(GATUN_INVALID_ARGUMENT, "dtype: %d; must be a gatun_dtype", dtype);
  const size_t words = size_t(length) * (dtype == GATUN_F64 ? 2 : 1), lines = words / 16;
  if (cuda != nullptr) {
    cuda_check(cuda_backend()->traffic(cuda, arrays, count, written, int64_t(words)), "moving memory on the GPU");
    return;
  }
  const int n = pool->threads();
  const std::lock_guard<std::mutex> guard(lock);
  pool->run(n, [&](int i) {
    const size_t begin = lines * size_t(i) / size_t(n) * 16,
                 end = i + 1 == n ? words : lines * size_t(i + 1) / size_t(n) * 16;
    kernels(isa, dtype)->traffic(arrays, count, written, begin, end - begin);
  });
}
