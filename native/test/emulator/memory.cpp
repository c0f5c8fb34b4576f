#include "emulator/memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <map>

bool emulator::strict() {
  static const bool strict = std::getenv("GATUN_EMULATOR_STRICT") != nullptr;
  return strict;
}

#if defined(__SANITIZE_ADDRESS__)

// The sanitizer's redzones instead, which begin right behind an allocation.
namespace emulator {
void* take(size_t bytes) {
  void* memory = nullptr;
  return bytes <= size_t{1} << 40 && posix_memalign(&memory, 256, bytes) == 0 ? memory : nullptr;
}
void give_back(void* memory) { std::free(memory); }
Access::Access() = default;
Access::~Access() = default;
}  // namespace emulator

#else

namespace emulator {
namespace {

// One range of addresses, so that opening and closing it is one system call for any number of allocations.
constexpr size_t kBytes = size_t{4} << 30, kPage = 4096;

struct Memory {
  unsigned char* base = nullptr;
  std::map<size_t, size_t> taken;  // offset, bytes
  size_t used = 0;                 // nothing lies behind, in whole pages
  int open = 0;
};
Memory& memory() {
  static Memory memory;
  return memory;
}

void protect(int access) {
  if (strict() && memory().used > 0 && mprotect(memory().base, memory().used, access) != 0) std::abort();
}

}  // namespace

void* take(size_t bytes) {
  Memory& m = memory();
  if (bytes > kBytes) return nullptr;
  if (m.base == nullptr) {
    void* const mapped = mmap(nullptr, kBytes, strict() ? PROT_NONE : PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) return nullptr;
    m.base = static_cast<unsigned char*>(mapped);
  }
  const size_t size = (bytes + 255) / 256 * 256;
  size_t offset = 0;  // the first gap that is large enough
  for (const auto& [start, length] : m.taken) {
    if (start - offset >= size) break;
    offset = start + length;
  }
  if (kBytes - offset < size) return nullptr;
  m.taken[offset] = size;
  if (offset + size > m.used) {
    m.used = (offset + size + kPage - 1) / kPage * kPage;
    if (m.open > 0) protect(PROT_READ | PROT_WRITE);
  }
  return m.base + offset;
}

void give_back(void* address) { memory().taken.erase(size_t(static_cast<unsigned char*>(address) - memory().base)); }

Access::Access() {
  if (memory().open++ == 0) protect(PROT_READ | PROT_WRITE);
}
Access::~Access() {
  if (--memory().open == 0) protect(PROT_NONE);
}

}  // namespace emulator
#endif
