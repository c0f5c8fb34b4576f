// traffic.cu - memory moved as a step moves it, with next to nothing computed: the limit that a step is measured
// against.
#include "cuda/traffic.h"

#include <algorithm>

#include "cuda/apply.cuh"
#include "cuda/kernels.h"
#include "cuda/runtime.h"

namespace gatun {

namespace {

// What is only read is mixed in under the mask, so that it has to be read and changes no bit.
template <int written, int readonly>
GATUN_KERNEL_OF(4)
k_traffic(const Tables tables) {
  const Traffic& traffic = tables.traffic;
  for (int64_t begin = block_index() * kChunk; begin < traffic.words; begin += block_count() * kChunk) {
    const int n = int(traffic.words - begin < kChunk ? traffic.words - begin : kChunk);
    over_elements<float>(n, traffic.aligned != 0, [&](auto width, int i) {
      constexpr int kWidth = decltype(width)::value;
      Pack<float, kWidth> x[written + readonly];
#pragma unroll
      for (int k = 0; k < written + readonly; ++k) x[k] = load_once<kWidth>(traffic.arrays[k] + begin + i);
      uint32_t any = 0;
#pragma unroll
      for (int e = 0; e < kWidth; ++e) {
        uint32_t mixed = 0;
#pragma unroll
        for (int k = written; k < written + readonly; ++k) mixed ^= bits_<uint32_t>(x[k].v[e]);
        mixed &= traffic.mask;
        any |= mixed;
#pragma unroll
        for (int k = 0; k < written; ++k) x[k].v[e] = bits_<float>(bits_<uint32_t>(x[k].v[e]) ^ mixed);
      }
#pragma unroll
      for (int k = 0; k < written; ++k) store_once(traffic.arrays[k] + begin + i, x[k]);
      if (written == 0 && any != 0) store_once(traffic.arrays[0] + begin + i, Pack<float, kWidth>{});  // never
    });
  }
}

// At most two arrays are only read where others are written, see core/context.cpp.
template <int written = 0, int readonly = 1>
Kernel find_traffic(int32_t w, int32_t r) {
  if constexpr (written > GATUN_MAX_STATE)
    return nullptr;
  else if constexpr (readonly > (written == 0 ? GATUN_MAX_STATE : 2))
    return find_traffic<written + 1, 0>(w, r);
  else
    return w == written && r == readonly ? &k_traffic<written, readonly> : find_traffic<written, readonly + 1>(w, r);
}

}  // namespace

int32_t traffic(GatunCudaContext* context, void* const* arrays, int32_t count, int32_t written, int64_t words) {
  if (words == 0 || count == 0) return 0;
  const OnDevice device(context->ordinal);
  if (device.error != 0) return device.error;
  int multiprocessors = 1;
  const int32_t error = checked(
      [&] { return cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, context->ordinal); });
  if (error != 0) return error;
  Tables tables{};
  tables.traffic.words = words;
  uintptr_t addresses = 0;
  for (int32_t k = 0; k < count; ++k) {
    tables.traffic.arrays[k] = static_cast<float*>(arrays[k]);
    addresses |= reinterpret_cast<uintptr_t>(arrays[k]);
  }
  tables.traffic.aligned = addresses % 16 == 0;
  const int64_t blocks = std::clamp<int64_t>((words + kChunk - 1) / kChunk, 1, 4 * int64_t(multiprocessors));
  void* arguments[] = {&tables};
  return checked([&] {
    return cudaLaunchKernel(reinterpret_cast<const void*>(find_traffic(written, count - written)),
                            dim3(static_cast<unsigned>(blocks)), dim3(kThreads), arguments, 0, context->stream);
  });
}

}  // namespace gatun
