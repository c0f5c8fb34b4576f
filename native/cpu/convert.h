// convert.h - blocks of BF16 and F16 to F32 and back.
#pragma once
#include "kernels.h"
#include "rules/half.h"

GATUN_RULES_BEGIN

namespace {

template <class Convert>
GATUN_HD void widen_loop(const void* from, void* to, size_t n, Convert convert) {
  const uint16_t* __restrict h = static_cast<const uint16_t*>(from);
  float* __restrict x = static_cast<float*>(to);
#pragma GCC ivdep
  for (size_t i = 0; i < n; ++i) x[i] = convert(h[i]);
}

void widen(int32_t dtype, const void* from, void* to, size_t n) {
  if (dtype == GATUN_BF16)
    widen_loop(
        from, to, n, [](uint16_t h) __attribute__((always_inline)) { return widen_bf16(h); });
  else
    widen_loop(
        from, to, n, [](uint16_t h) __attribute__((always_inline)) { return widen_f16(h); });
}

template <class Round>
GATUN_HD void nearest_loop(const void* from, void* to, size_t n, Round round) {
  const float* __restrict x = static_cast<const float*>(from);
  uint16_t* __restrict h = static_cast<uint16_t*>(to);
#pragma GCC ivdep
  for (size_t i = 0; i < n; ++i) h[i] = round(x[i]);
}

// A draw's counter has 32 bits, which is what vectors multiply; the elements' upper bits are in the key.
template <class Round>
GATUN_HD void random_loop(const void* from, void* to, size_t n, const Draws& draws, Round round) {
  const float* x = static_cast<const float*>(from);
  uint16_t* h = static_cast<uint16_t*>(to);
  for (uint64_t at = uint64_t(draws.element), end = at + n; at < end;) {
    const uint64_t stop = ((at >> 32) + 1) << 32, count = (end < stop ? end : stop) - at;
    const RoundingKey key = RoundingKey::of(draws.seed, draws.tensor, draws.t, int64_t(at >> 32));
    const uint32_t first = uint32_t(at);
    const float* __restrict from_here = x;
    uint16_t* __restrict to_here = h;
#pragma GCC ivdep
    for (size_t i = 0; i < count; ++i) to_here[i] = round(from_here[i], key.draw(first + uint32_t(i)));
    at += count, x += count, h += count;
  }
}

void narrow(int32_t dtype, const void* from, void* to, size_t n, const Draws* draws) {
  if (draws == nullptr) {
    if (dtype == GATUN_BF16)
      nearest_loop(
          from, to, n, [](float x) __attribute__((always_inline)) { return nearest_bf16(x); });
    else
      nearest_loop(
          from, to, n, [](float x) __attribute__((always_inline)) { return nearest_f16(x); });
    return;
  }
  if (dtype == GATUN_BF16)
    random_loop(
        from, to, n, *draws, [](float x, uint32_t d) __attribute__((always_inline)) { return random_bf16(x, d); });
  else
    random_loop(
        from, to, n, *draws, [](float x, uint32_t d) __attribute__((always_inline)) { return random_f16(x, d); });
}

}  // namespace

GATUN_RULES_END
