// intrinsics.cuh - all that the kernels ask of a GPU: who a thread is, barriers, shuffles, integer counters, and the
// ways to memory. nvcc makes instructions of it; native/test/emulator/words.h has the same words for g++, so that the
// kernels run, and are watched, where there is no GPU.
#pragma once
#include <cstdint>
#include <cstring>

namespace gatun {

constexpr int kThreads = 256;  // of a block
constexpr int kWarp = 32;

// What one access moves: 16 bytes. Of BF16 and F16 8: a thread then has the same four elements in all of its arrays,
// most of which are F32, and a warp's accesses are whole 32-byte sectors either way.
template <class T>
constexpr int kVector = sizeof(T) == 2 ? 4 : 16 / int(sizeof(T));

template <class T, int n>
struct Pack {
  T v[n];
};
template <int n>
struct Width {
  static constexpr int value = n;
};

}  // namespace gatun

#if defined(__CUDACC__)

// Four blocks on a multiprocessor, which holds a kernel to 64 registers, have 64 KB on their way from memory; 23 KB are
// enough at 4.3 TB/s and 700 ns. Three (80 registers) are for what would spill.
#define GATUN_KERNEL_OF(blocks) __global__ void __launch_bounds__(kThreads, blocks)
#define GATUN_DEVICE __device__ __forceinline__
#define GATUN_SHARED(Type, name) __shared__ Type name  // one for each kernel
#define GATUN_BARRIER() __syncthreads()
#define GATUN_SHUFFLE_XOR(lanes, value, distance) __shfl_xor_sync(lanes, value, distance)

namespace gatun {

GATUN_DEVICE int thread_index() { return int(threadIdx.x); }
GATUN_DEVICE int64_t block_index() { return blockIdx.x; }
GATUN_DEVICE int64_t block_count() { return gridDim.x; }

// Makes this thread's writes visible to whoever sees what it writes afterwards, and orders its reads likewise.
GATUN_DEVICE void fence() { __threadfence(); }
// Adds to a counter and returns what it was.
GATUN_DEVICE uint32_t count_up(uint32_t* counter, uint32_t by) { return atomicAdd(counter, by); }
// What a counter is now, however often it has been looked at.
GATUN_DEVICE uint32_t look_at(const uint32_t* counter) { return *static_cast<const volatile uint32_t*>(counter); }
// Between two looks at what another block is to do.
GATUN_DEVICE void wait_a_little() { __nanosleep(100); }
GATUN_DEVICE void lower_to(int32_t* shared, int32_t value) { atomicMin(shared, value); }

// The same number, of which the compiler forgets what it has already worked out from it and keeps in registers.
GATUN_DEVICE int64_t afresh(int64_t x) {
  asm volatile("" : "+l"(x)::"memory");
  return x;
}

// What has been read from memory is read again where it is used next, instead of waiting in registers.
GATUN_DEVICE void fetch_again() { asm volatile("" ::: "memory"); }

// Memory that other blocks of this launch have written: past the L1 cache, which nobody keeps coherent.
GATUN_DEVICE double load_fresh(const double* p) { return __ldcg(p); }

// Arrays that a step reads again soon (a gradient in the reduction): kept in L2.
GATUN_DEVICE Pack<float, 4> load_kept(const float* p) {
  const float4 x = __ldcg(reinterpret_cast<const float4*>(p));
  return {{x.x, x.y, x.z, x.w}};
}
GATUN_DEVICE Pack<double, 2> load_kept(const double* p) {
  const double2 x = __ldcg(reinterpret_cast<const double2*>(p));
  return {{x.x, x.y}};
}
GATUN_DEVICE Pack<uint16_t, 4> unpacked(uint2 x) {
  return {{uint16_t(x.x), uint16_t(x.x >> 16), uint16_t(x.y), uint16_t(x.y >> 16)}};
}
GATUN_DEVICE Pack<uint16_t, 4> load_kept(const uint16_t* p) {
  return unpacked(__ldcg(reinterpret_cast<const uint2*>(p)));
}

// Arrays that a step reads and writes once: first to leave the L2 cache.
template <int n>
GATUN_DEVICE Pack<float, n> load_once(const float* p) {
  if constexpr (n == 1) return {{__ldcs(p)}};
  if constexpr (n == 4) {
    const float4 x = __ldcs(reinterpret_cast<const float4*>(p));
    return {{x.x, x.y, x.z, x.w}};
  }
}
template <int n>
GATUN_DEVICE Pack<double, n> load_once(const double* p) {
  if constexpr (n == 1) return {{__ldcs(p)}};
  if constexpr (n == 2) {
    const double2 x = __ldcs(reinterpret_cast<const double2*>(p));
    return {{x.x, x.y}};
  }
}
template <int n>
GATUN_DEVICE Pack<uint16_t, n> load_once(const uint16_t* p) {
  if constexpr (n == 1) return {{__ldcs(p)}};
  if constexpr (n == 4) return unpacked(__ldcs(reinterpret_cast<const uint2*>(p)));
}
template <int n>
GATUN_DEVICE void store_once(float* p, const Pack<float, n>& x) {
  if constexpr (n == 1) __stcs(p, x.v[0]);
  if constexpr (n == 4) __stcs(reinterpret_cast<float4*>(p), float4{x.v[0], x.v[1], x.v[2], x.v[3]});
}
template <int n>
GATUN_DEVICE void store_once(double* p, const Pack<double, n>& x) {
  if constexpr (n == 1) __stcs(p, x.v[0]);
  if constexpr (n == 2) __stcs(reinterpret_cast<double2*>(p), double2{x.v[0], x.v[1]});
}
template <int n>
GATUN_DEVICE void store_once(uint16_t* p, const Pack<uint16_t, n>& x) {
  if constexpr (n == 1) __stcs(p, x.v[0]);
  if constexpr (n == 4)
    __stcs(reinterpret_cast<uint2*>(p), uint2{x.v[0] | uint32_t(x.v[1]) << 16, x.v[2] | uint32_t(x.v[3]) << 16});
}

}  // namespace gatun

#else
#include "emulator/words.h"
#endif
