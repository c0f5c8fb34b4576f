#include "cpu/pool.h"

#include <immintrin.h>

namespace gatun {

namespace {

// A step's phases follow each other within microseconds, so workers poll for about 20 of them before they sleep; then a
// wake-up costs about 5. Longer polling would take the CPU from a framework's own threads.
constexpr int kPolls = 600;

}  // namespace

IeeeArithmetic::IeeeArithmetic() : saved_(_mm_getcsr()) { _mm_setcsr(0x1f80); }
IeeeArithmetic::~IeeeArithmetic() { _mm_setcsr(saved_); }

Pool::Pool(int threads) : threads_(threads) {
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
  } catch (...) {  // no thread to be had: those that run must end before their pool does
    stop();
    throw;
  }
}

Pool::~Pool() { stop(); }

void Pool::stop() {
  stop_ = true;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Pool::run(int n, Task task, void* body) {
  const IeeeArithmetic ieee;
  if (n > threads_) n = threads_;
  if (n > 1) {
    task_ = task, body_ = body, active_ = n;
    unfinished_.store(threads_ - 1, std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
  }
  task(body, 0);
  if (n > 1) {
    int left;
    for (int poll = 0; (left = unfinished_.load(std::memory_order_acquire)) != 0; ++poll) {
      if (poll < kPolls)
        _mm_pause();
      else
        unfinished_.wait(left, std::memory_order_acquire);
    }
  }
}

void Pool::work(int index) {
  uint32_t seen = 0;
  for (;;) {
    for (int poll = 0; round_.load(std::memory_order_acquire) == seen; ++poll) {
      if (poll < kPolls)
        _mm_pause();
      else
        round_.wait(seen, std::memory_order_acquire);
    }
    ++seen;
    if (stop_) return;
    if (index < active_) {
      const IeeeArithmetic ieee;
      task_(body_, index);
    }
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
  }
}

}  // namespace gatun
