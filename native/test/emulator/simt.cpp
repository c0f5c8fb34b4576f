// simt.cpp - fibers, and who of them goes on when.
#include "simt.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(__x86_64__)
#error "the emulator's switch of stacks is written for x86-64"
#endif

// swapcontext makes two system calls a switch; this makes none. It keeps what the ABI says a callee keeps.
extern "C" void gatun_simt_switch(void** leave, void* enter);
__asm__(R"(
  .text
  .globl gatun_simt_switch
  .hidden gatun_simt_switch
  .type gatun_simt_switch, @function
gatun_simt_switch:
  push %r15
  push %r14
  push %r13
  push %r12
  push %rbx
  push %rbp
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %rbp
  pop %rbx
  pop %r12
  pop %r13
  pop %r14
  pop %r15
  ret
  .size gatun_simt_switch, . - gatun_simt_switch
)");

namespace simt {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kStack = 256 << 10;  // frames are several times as large
#else
constexpr size_t kStack = 32 << 10;
#endif
constexpr int kWarp = 32;

enum class State { kReady, kBarrier, kShuffle, kDone };

struct Fiber {
  std::unique_ptr<char[]> stack;
  void* top;
  State state;
  const char* where;
  uint32_t lanes;
  int distance;
  uint64_t value;
};

struct Block {
  int64_t index = -1;
  std::vector<Fiber> fibers;
  std::vector<int> order;
  std::vector<double> shared;
};

struct Machine {
  std::vector<Block> resident;
  std::mt19937 random;
  const std::function<void()>* kernel = nullptr;
  int64_t blocks = 0;
  Block* block = nullptr;  // whose turn it is
  int thread = 0;
  int64_t waits = 0;  // since a counter changed
  void* scheduler = nullptr;
#if defined(__SANITIZE_ADDRESS__)
  const void* scheduler_stack = nullptr;
  size_t scheduler_stack_size = 0;
#endif
};
Machine machine;

Fiber& current() { return machine.block->fibers[size_t(machine.thread)]; }

void enter(Fiber& fiber) {
#if defined(__SANITIZE_ADDRESS__)
  void* fake;
  __sanitizer_start_switch_fiber(&fake, fiber.stack.get(), kStack);
#endif
  gatun_simt_switch(&machine.scheduler, fiber.top);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void park(State state) {
  Fiber& fiber = current();
  fiber.state = state;
#if defined(__SANITIZE_ADDRESS__)
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(state == State::kDone ? nullptr : &fake, machine.scheduler_stack,
                                 machine.scheduler_stack_size);
#endif
  gatun_simt_switch(&fiber.top, machine.scheduler);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void start() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &machine.scheduler_stack, &machine.scheduler_stack_size);
#endif
  (*machine.kernel)();
  park(State::kDone);
  std::abort();  // nobody enters a fiber that is done
}

void prepare(Block& block, int64_t index, int threads) {
  block.index = index;
  block.fibers.resize(size_t(threads));
  block.order.resize(size_t(threads));
  std::fill(block.shared.begin(), block.shared.end(), std::nan(""));
  for (int i = 0; i < threads; ++i) {
    Fiber& fiber = block.fibers[size_t(i)];
    if (fiber.stack == nullptr) fiber.stack.reset(new char[kStack]);
    fiber.state = State::kReady;
    fiber.where = "the start";
    // Six registers, then where the switch returns to; at a function's first instruction rsp is 8 below a multiple of
    // 16.
    auto* words = reinterpret_cast<void**>((reinterpret_cast<uintptr_t>(fiber.stack.get()) + kStack) & ~uintptr_t{15});
    *--words = nullptr;
    *--words = reinterpret_cast<void*>(&start);
    for (int k = 0; k < 6; ++k) *--words = nullptr;
    fiber.top = words;
    block.order[size_t(i)] = i;
  }
}

// Lanes that all wait at one shuffle exchange their values.
bool resolve_shuffles(Block& block, size_t warp) {
  bool any = false;
  const size_t lanes = std::min<size_t>(kWarp, block.fibers.size() - warp);
  Fiber* const fibers = &block.fibers[warp];
  for (size_t lane = 0; lane < lanes; ++lane) {
    const Fiber& fiber = fibers[lane];
    if (fiber.state != State::kShuffle) continue;
    if ((fiber.lanes >> lane & 1) == 0) die("a thread shuffles with lanes that it is not among", fiber.where);
    bool all = true;
    for (size_t other = 0; other < kWarp && all; ++other) {
      if ((fiber.lanes >> other & 1) == 0) continue;
      if (other >= lanes || fibers[other].state == State::kDone)
        die("a shuffle waits for a lane that is gone", fiber.where);
      all = fibers[other].state == State::kShuffle && fibers[other].where == fiber.where;
      if (all && (fibers[other].lanes != fiber.lanes || fibers[other].distance != fiber.distance))
        die("lanes shuffle with different arguments", fiber.where);
    }
    if (!all) continue;
    const uint32_t mask = fiber.lanes;
    const auto distance = size_t(fiber.distance);
    uint64_t values[kWarp] = {};
    for (size_t k = 0; k < lanes; ++k) values[k] = fibers[k].value;
    for (size_t k = 0; k < lanes; ++k) {
      if ((mask >> k & 1) == 0) continue;
      if ((mask >> (k ^ distance) & 1) == 0) die("a shuffle asks for a lane that takes no part", fibers[k].where);
      fibers[k].value = values[k ^ distance];
      fibers[k].state = State::kReady;
    }
    any = true;
  }
  return any;
}

// Gives every ready thread of a block a turn. False when the block is done.
bool turn(Block& block, bool shuffled) {
  machine.block = &block;
  if (shuffled) std::shuffle(block.order.begin(), block.order.end(), machine.random);
  bool progress = false;
  for (const int i : block.order) {
    Fiber& fiber = block.fibers[size_t(i)];
    if (fiber.state != State::kReady) continue;
    machine.thread = i;
    progress = true;
    enter(fiber);
  }
  for (size_t warp = 0; warp < block.fibers.size(); warp += kWarp) progress |= resolve_shuffles(block, warp);

  size_t done = 0, waiting = 0;
  const char* where = nullptr;
  for (const Fiber& fiber : block.fibers) {
    done += fiber.state == State::kDone;
    if (fiber.state != State::kBarrier) continue;
    ++waiting;
    if (where != nullptr && where != fiber.where) die("threads of a block wait at different barriers", fiber.where);
    where = fiber.where;
  }
  if (done == block.fibers.size()) return false;
  if (waiting > 0 && done > 0) die("threads ended that a barrier waits for", where);
  if (waiting == block.fibers.size()) {
    for (Fiber& fiber : block.fibers) fiber.state = State::kReady;
    progress = true;
  }
  if (!progress) die("a block is stuck; one of its threads waits here", block.fibers[0].where);
  return true;
}

}  // namespace

void die(const char* what, const char* where) {
  std::fprintf(stderr, "SIMT emulator: %s: %s\n", what, where);
  std::abort();
}

int thread_index() { return machine.thread; }
int64_t block_index() { return machine.block->index; }
int64_t block_count() { return machine.blocks; }

void barrier(const char* where) {
  current().where = where;
  park(State::kBarrier);
}
void interleave() { park(State::kReady); }

// A unit of work takes some thousand turns; nobody has to wait for a hundred of them.
void wait() {
  if (++machine.waits > 1'000'000) die("blocks wait for a counter that nobody changes", "a wait");
  park(State::kReady);
}
void moved_on() { machine.waits = 0; }

uint64_t shuffle_xor(uint32_t lanes, uint64_t value, int distance, const char* where) {
  Fiber& fiber = current();
  fiber.lanes = lanes, fiber.value = value, fiber.distance = distance, fiber.where = where;
  park(State::kShuffle);
  return fiber.value;
}

void* shared_memory(size_t bytes) {
  std::vector<double>& shared = machine.block->shared;
  if (shared.empty()) shared.assign((bytes + 7) / 8, std::nan(""));
  if (shared.size() != (bytes + 7) / 8) die("a kernel asks for two kinds of shared memory", "shared_memory");
  return shared.data();
}

void require_aligned(const void* address, size_t bytes) {
  if (reinterpret_cast<uintptr_t>(address) % bytes != 0) die("an access is not aligned to its size", "memory");
}

void launch(int64_t blocks, int threads, const Order& order, const std::function<void()>& kernel) {
  if (blocks < 1 || threads % kWarp != 0) die("a grid without blocks, or a block of part of a warp", "launch");
  machine.random.seed(order.seed);
  machine.kernel = &kernel;
  machine.blocks = blocks;
  machine.waits = 0;
  std::vector<int64_t> waiting(static_cast<size_t>(blocks));
  for (size_t i = 0; i < waiting.size(); ++i) waiting[i] = blocks - 1 - int64_t(i);
  const bool shuffled = order.seed != 0;
  if (shuffled) std::shuffle(waiting.begin(), waiting.end(), machine.random);
  const auto places = size_t(std::min<int64_t>(order.resident_blocks, blocks));
  if (machine.resident.size() < places) machine.resident.resize(places);
  for (Block& block : machine.resident) block.shared.clear();

  std::vector<Block*> running;
  for (size_t i = 0; i < places; ++i) {
    prepare(machine.resident[i], waiting.back(), threads);
    waiting.pop_back();
    running.push_back(&machine.resident[i]);
  }
  while (!running.empty()) {
    const size_t next = shuffled ? machine.random() % running.size() : 0;
    if (turn(*running[next], shuffled)) continue;
    if (waiting.empty()) {
      running.erase(running.begin() + long(next));
    } else {
      prepare(*running[next], waiting.back(), threads);
      waiting.pop_back();
    }
  }
  machine.block = nullptr;
}

}  // namespace simt
