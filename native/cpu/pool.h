// pool.h - the threads of a CPU context: the caller and T - 1 workers that wait between steps.
#pragma once
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace gatun {

class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return threads_; }

  // body(0) on the caller, body(1) ... body(n-1) on workers, all with IEEE arithmetic; returns when all have. One
  // caller at a time. body must not throw.
  template <class Body>
  void run(int n, Body&& body) {
    run(
        n, [](void* b, int i) { (*static_cast<Body*>(b))(i); }, &body);
  }

 private:
  using Task = void (*)(void* body, int index);
  void run(int n, Task task, void* body);
  void work(int index);
  void stop();

  const int threads_;
  std::vector<std::thread> workers_;
  Task task_ = nullptr;
  void* body_ = nullptr;
  int active_ = 0;
  bool stop_ = false;
  // On lines of their own: workers poll the one while the last of them write the other.
  alignas(64) std::atomic<uint32_t> round_{0};
  alignas(64) std::atomic<int> unfinished_{0};
};

// Round to nearest, no flushing of denormals, all exceptions masked, for as long as it lives: results must not depend
// on what the calling thread's MXCSR happens to be.
class IeeeArithmetic {
 public:
  IeeeArithmetic();
  ~IeeeArithmetic();

 private:
  uint32_t saved_;
};

}  // namespace gatun
