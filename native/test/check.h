// check.h - the whole test framework: CHECK prints where, what and why, and result() is what main returns.
#pragma once
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "gatun.h"

namespace test {

inline std::atomic<int> failures{0};

// The condition is written so that a NaN fails: CHECK(error <= tolerance), never CHECK(!(error > tolerance)).
#define CHECK(condition, ...)                                                     \
  do {                                                                            \
    if (!(condition) && test::failures++ < 25) {                                  \
      std::fprintf(stderr, "%s:%d: %s failed: ", __FILE__, __LINE__, #condition); \
      std::fprintf(stderr, __VA_ARGS__);                                          \
      std::fprintf(stderr, "\n");                                                 \
    }                                                                             \
  } while (0)

#define CHECK_OK(call)                                                                                       \
  do {                                                                                                       \
    const gatun_status check_status = (call);                                                                \
    CHECK(check_status == GATUN_OK, "%s gives status %d: %s", #call, int(check_status), gatun_last_error()); \
  } while (0)

// Is the environment variable set? Tests use it to do less in slow builds, never to do nothing.
inline bool flag(const char* name) { return std::getenv(name) != nullptr; }

inline int result(const char* what) {
  if (failures > 0) {
    std::fprintf(stderr, "%s: %d checks FAILED\n", what, failures.load());
    return 1;
  }
  std::printf("%s: ok\n", what);
  return 0;
}

}  // namespace test
