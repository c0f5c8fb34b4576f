// simt.h - an emulator of blocks and threads: one fiber for each CUDA thread. It watches what a GPU would only hang on
// or get wrong now and then: threads of a block at different barriers or gone before one, shuffles that not all named
// lanes reach, blocks that are stuck or wait for each other, vector accesses that are not aligned.
#pragma once
#include <cstdint>
#include <functional>

namespace simt {

int thread_index();
int64_t block_index();
int64_t block_count();
void barrier(const char* where);
uint64_t shuffle_xor(uint32_t lanes, uint64_t value, int distance, const char* where);
void* shared_memory(size_t bytes);  // of the block; filled with NaNs when it starts
void interleave();                  // lets other threads and blocks run
void wait();                        // the same, for a thread that waits for another block's counter
void moved_on();                    // a counter has changed
void require_aligned(const void* address, size_t bytes);

// The order in which blocks and threads get their turns, and how many blocks are under way at once. Seed 0: in order.
struct Order {
  uint32_t seed;
  int resident_blocks;
};
void launch(int64_t blocks, int threads, const Order& order, const std::function<void()>& kernel);

[[noreturn]] void die(const char* what, const char* where);

}  // namespace simt
