// half.h - BF16 and F16 from and to F32, with integers: the same bits from g++'s vectors, its scalar code and nvcc,
// without asking for instructions that not every CPU has.
//
// Conversion to F32 is exact. Back, a finite value is rounded to the nearest (ties to even) or stochastically: up with
// the probability of its distance from the neighbour below, so that the mean is the value itself. Beyond the largest
// finite value there is no neighbour above to draw, so both round to nearest: below half a step it stays, from there on
// it is infinite. Infinities stay, NaN becomes some NaN, and a zero keeps its sign.
#pragma once
#include "gatun.h"
#include "numeric.h"

GATUN_RULES_BEGIN

GATUN_HD bool is_half(int32_t dtype) { return dtype == GATUN_BF16 || dtype == GATUN_F16; }

GATUN_HD float widen_bf16(uint16_t h) { return bits_<float>(uint32_t(h) << 16); }

GATUN_HD float widen_f16(uint16_t h) {
  const uint32_t rest = uint32_t(h & 0x7fff) << 13, exponent = rest & 0x0f800000u;
  const uint32_t normal = rest + (112u << 23);
  // without its hidden one: (2^-14 + rest) - 2^-14, exact and of normal numbers only
  const uint32_t subnormal = bits_<uint32_t>(bits_<float>(rest + (113u << 23)) - bits_<float>(113u << 23));
  const uint32_t magnitude = exponent == 0 ? subnormal : exponent == 0x0f800000u ? rest + (224u << 23) : normal;
  return bits_<float>(magnitude | uint32_t(h & 0x8000) << 16);
}

GATUN_HD uint16_t nearest_bf16(float x) {
  const uint32_t u = bits_<uint32_t>(x);
  const uint32_t rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;
  return uint16_t((u & 0x7fffffff) > 0x7f800000 ? u >> 16 | 0x40 : rounded);
}

namespace half {

constexpr uint32_t kInfinity = 0x7f800000u;
constexpr uint32_t kSmallestNormal = 113u << 23;  // 2^-14
constexpr uint32_t kLargest = 0x477fe000;         // 65504
constexpr uint32_t kTooLarge = 143u << 23;        // 2^16

// The magnitude of an F16 from that of a float, to nearest.
GATUN_HD uint32_t nearest_f16(uint32_t a) {
  const uint32_t normal = (a - (112u << 23) + 0xfff + (a >> 13 & 1)) >> 13;
  // plus 1/2: an addition whose last place is 2^-24, the step of subnormal F16
  const uint32_t subnormal = bits_<uint32_t>(bits_<float>(a) + 0.5f) - (126u << 23);
  const uint32_t finite = a < kSmallestNormal ? subnormal : normal;
  return a > kInfinity ? 0x7e00 : a >= kTooLarge ? 0x7c00 : finite;
}

}  // namespace half

GATUN_HD uint16_t nearest_f16(float x) {
  const uint32_t u = bits_<uint32_t>(x);
  return uint16_t(half::nearest_f16(u & 0x7fffffff) | (u >> 16 & 0x8000));
}

// What a tensor's roundings at a step draw from. The first three are mixed one after the other by SplitMix64's
// finalizer (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014), each a bijection.
struct RoundingKey {
  uint32_t first, second;

  static GATUN_HD uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }
  // block: the element's number over 2^32
  static GATUN_HD RoundingKey of(int64_t seed, int64_t tensor, int64_t t, int64_t block) {
    const uint64_t golden = 0x9e3779b97f4a7c15u;
    uint64_t key = mix(uint64_t(seed) + golden);
    key = mix(key + uint64_t(tensor) + golden);
    key = mix(key + uint64_t(t) + golden);
    key = mix(key + uint64_t(block) + golden);
    return {uint32_t(key), uint32_t(key >> 32)};
  }

  // 32 random bits for an element: triple32, the best of the integer hashes that C. Wellons' search found ("Prospecting
  // for hash functions", 2018: its bias is that of a random permutation), with half a key before and half within, so
  // that two keys' draws are not each other's in another order. Three multiplications of 32 bits, which every vector
  // unit has; test/half_test counts its bits.
  GATUN_HD uint32_t draw(uint32_t element) const {
    uint32_t x = element ^ first;
    x = (x ^ (x >> 17)) * 0xed5ad4bbu;
    x = (x ^ (x >> 11)) * 0xac4c1b51u + second;
    x = (x ^ (x >> 15)) * 0x31848babu;
    return x ^ (x >> 14);
  }
};

// Adding as many random bits as fall away carries with the right probability.
GATUN_HD uint16_t random_bf16(float x, uint32_t draw) {
  const uint32_t u = bits_<uint32_t>(x);
  return (u & 0x7fffffff) >= 0x7f7f0000 ? nearest_bf16(x) : uint16_t((u + (draw >> 16)) >> 16);
}

GATUN_HD uint16_t random_f16(float x, uint32_t draw) {
  const uint32_t u = bits_<uint32_t>(x), a = u & 0x7fffffff;
  const uint32_t normal = (a - (112u << 23) + (draw >> 19)) >> 13;
  // Subnormal: the significand shifted to steps of 2^-24; what falls away, 14 bits and more, as a fraction of 2^32.
  const uint32_t exponent = a >> 23 < 1 ? 1 : a >> 23, significand = (a & 0x7fffff) | (a >> 23 == 0 ? 0 : 0x800000);
  const uint32_t wanted = 126 - exponent, shift = a >= half::kSmallestNormal ? 14 : wanted > 56 ? 56 : wanted;
  const uint32_t fraction = shift <= 32 ? significand << ((32 - shift) & 31) : significand >> ((shift - 32) & 31);
  const uint32_t subnormal = (shift > 31 ? 0 : significand >> (shift & 31)) + (draw < fraction ? 1 : 0);
  const uint32_t drawn = a < half::kSmallestNormal ? subnormal : normal;
  return uint16_t((a >= half::kLargest ? half::nearest_f16(a) : drawn) | (u >> 16 & 0x8000));
}

GATUN_RULES_END
