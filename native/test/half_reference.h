// half_reference.h - BF16 and F16 by their definition, in double: slow, and nothing that rules/half.h could share a
// mistake with.
#pragma once
#include <cmath>
#include <cstdint>

#include "gatun.h"

namespace test {

inline int mantissa_bits(int32_t dtype) { return dtype == GATUN_BF16 ? 7 : 10; }
inline int exponent_bits(int32_t dtype) { return 15 - mantissa_bits(dtype); }
inline uint16_t half_infinity(int32_t dtype) {
  return uint16_t(0x7fff >> mantissa_bits(dtype) << mantissa_bits(dtype));
}

// The magnitude of a number of 15 bits; beyond the finite ones, as if the exponents went on.
inline double half_magnitude(int32_t dtype, uint16_t bits) {
  const int m = mantissa_bits(dtype), bias = (1 << (exponent_bits(dtype) - 1)) - 1;
  const int exponent = bits >> m, mantissa = bits & ((1 << m) - 1);
  return exponent == 0 ? std::ldexp(mantissa, 1 - bias - m) : std::ldexp(mantissa + (1 << m), exponent - bias - m);
}

inline double half_value(int32_t dtype, uint16_t bits) {
  const uint16_t infinity = half_infinity(dtype), rest = bits & 0x7fff;
  const double magnitude = rest > infinity ? NAN : rest == infinity ? INFINITY : half_magnitude(dtype, rest);
  return bits & 0x8000 ? -magnitude : magnitude;
}

// The bits whose magnitude is the largest that is not above x, a finite one.
inline uint16_t half_below(int32_t dtype, double x) {
  int low = 0, high = half_infinity(dtype);
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (half_magnitude(dtype, uint16_t(middle)) <= x ? low : high) = middle;
  }
  return uint16_t(low);
}

inline uint16_t half_nearest(int32_t dtype, double value) {
  if (std::isnan(value)) return 0x7fff;
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0, infinity = half_infinity(dtype);
  const double x = std::fabs(value);
  if (std::isinf(x)) return uint16_t(sign | infinity);
  const uint16_t below = half_below(dtype, x);
  const double down = x - half_magnitude(dtype, below), up = half_magnitude(dtype, uint16_t(below + 1)) - x;
  return uint16_t(sign | (below + (down > up || (down == up && below % 2 == 1))));
}

}  // namespace test
