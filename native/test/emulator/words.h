// words.h - the words of cuda/intrinsics.cuh for g++, on the emulator.
#pragma once
#include <cstring>

#include "emulator/simt.h"

#define GATUN_WHERE_TEXT(line) #line
#define GATUN_WHERE_LINE(line) GATUN_WHERE_TEXT(line)
#define GATUN_WHERE __FILE__ ":" GATUN_WHERE_LINE(__LINE__)

#define GATUN_KERNEL_OF(blocks) void
#define GATUN_DEVICE inline
#define GATUN_SHARED(Type, name) Type& name = *static_cast<Type*>(simt::shared_memory(sizeof(Type)))
#define GATUN_BARRIER() simt::barrier(GATUN_WHERE)
#define GATUN_SHUFFLE_XOR(lanes, value, distance) ::gatun::shuffle_xor(lanes, value, distance, GATUN_WHERE)

namespace gatun {

inline int thread_index() { return simt::thread_index(); }
inline int64_t block_index() { return simt::block_index(); }
inline int64_t block_count() { return simt::block_count(); }
inline double shuffle_xor(uint32_t lanes, double value, int distance, const char* where) {
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits = simt::shuffle_xor(lanes, bits, distance, where);
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}

// All fibers share one thread of the machine: its memory is in order, and only other fibers can come in between.
inline void fence() { simt::interleave(); }
inline uint32_t count_up(uint32_t* counter, uint32_t by) {
  simt::interleave();
  const uint32_t before = *counter;
  *counter = before + by;
  simt::moved_on();
  simt::interleave();
  return before;
}
inline uint32_t look_at(const uint32_t* counter) { return *counter; }
inline void wait_a_little() { simt::wait(); }
inline void lower_to(int32_t* shared, int32_t value) {
  if (value < *shared) *shared = value;
}

inline int64_t afresh(int64_t x) { return x; }
inline void fetch_again() {}

inline double load_fresh(const double* p) { return *p; }

template <int n, class T>
inline Pack<T, n> load_pack(const T* p) {
  simt::require_aligned(p, n * sizeof(T));
  Pack<T, n> x;
  for (int e = 0; e < n; ++e) x.v[e] = p[e];
  return x;
}
template <class T>
inline Pack<T, kVector<T>> load_kept(const T* p) {
  return load_pack<kVector<T>>(p);
}
template <int n, class T>
inline Pack<T, n> load_once(const T* p) {
  static_assert(n == 1 || n == kVector<T>);
  return load_pack<n>(p);
}
template <class T, int n>
inline void store_once(T* p, const Pack<T, n>& x) {
  static_assert(n == 1 || n == kVector<T>);
  simt::require_aligned(p, n * sizeof(T));
  for (int e = 0; e < n; ++e) p[e] = x.v[e];
}

}  // namespace gatun
