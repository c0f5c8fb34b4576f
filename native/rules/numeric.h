// numeric.h - the operations that the rules are made of, for g++ and nvcc.
//
// The numerics contract: only + - * / sqrt fma and comparisons, each correctly rounded by IEEE 754, and no contraction
// by the compiler (-ffp-contract=off, -fmad=false). So a lane of a vector register, a scalar tail and a CUDA thread
// give the same bits. Other functions are written here out of those operations.
#pragma once
#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define GATUN_HD __host__ __device__ __forceinline__
#else
#define GATUN_HD inline __attribute__((always_inline))
#endif

// Each instruction set's object compiles the rules into a namespace of its own: the linker must not replace one's code
// by another's.
#ifndef GATUN_TARGET
#define GATUN_TARGET portable
#endif
#define GATUN_RULES_BEGIN \
  namespace gatun {       \
  inline namespace GATUN_TARGET {
#define GATUN_RULES_END \
  }                     \
  }

GATUN_RULES_BEGIN

GATUN_HD float fma_(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
GATUN_HD double fma_(double a, double b, double c) { return __builtin_fma(a, b, c); }
GATUN_HD float sqrt_(float x) { return __builtin_sqrtf(x); }
GATUN_HD double sqrt_(double x) { return __builtin_sqrt(x); }
// The larger; NaN if either is.
template <class T>
GATUN_HD T max_(T a, T b) {
  return b > a || b != b ? b : a;
}

template <class To, class From>
GATUN_HD To bits_(From x) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  memcpy(&to, &x, sizeof to);
  return to;
}

// b^n by squaring, so that no result depends on a libm. Its relative error is below n * 2^-52, which in 1 - b^n
// vanishes: n * b^n never exceeds 1 / (e * (1 - b)), 368 for b = 0.999.
GATUN_HD double power(double b, int64_t n) {
  double r = 1;
  for (; n > 0; n >>= 1) {
    if (n & 1) r = r * b;
    b = b * b;
  }
  return r;
}

// exp(-y) for 0 <= y <= 20, below 1.5 ulp: 2^k * e^r with |r| <= ln(2)/2. Adding 1.5 * 2^23 rounds to an integer and
// leaves it in the low bits. Taylor to r^7 (r^13) is within 0.1 ulp there.
GATUN_HD float exp_negative(float y) {
  const float shift = 12582912.f;
  const float z = fma_(y, -1.44269504f, shift), k = z - shift;
  float r = fma_(k, -0.693359375f, -y);  // ln 2 = 0.693359375 - 2.12194440e-4; the first product is exact
  r = fma_(k, 2.12194440e-4f, r);
  float p = 1.f / 5040;
  p = fma_(p, r, 1.f / 720);
  p = fma_(p, r, 1.f / 120);
  p = fma_(p, r, 1.f / 24);
  p = fma_(p, r, 1.f / 6);
  p = fma_(p, r, 0.5f);
  p = fma_(p, r, 1.f);
  p = fma_(p, r, 1.f);
  return p * bits_<float>((bits_<uint32_t>(z) << 23) + 0x3f800000u);
}
GATUN_HD double exp_negative(double y) {
  const double shift = 6755399441055744.0;
  const double z = fma_(y, -1.4426950408889634, shift), k = z - shift;
  double r = fma_(k, -6.93147180369123816490e-01, -y);
  r = fma_(k, -1.90821492927058770002e-10, r);
  double p = 1.0 / 6227020800;
  p = fma_(p, r, 1.0 / 479001600);
  p = fma_(p, r, 1.0 / 39916800);
  p = fma_(p, r, 1.0 / 3628800);
  p = fma_(p, r, 1.0 / 362880);
  p = fma_(p, r, 1.0 / 40320);
  p = fma_(p, r, 1.0 / 5040);
  p = fma_(p, r, 1.0 / 720);
  p = fma_(p, r, 1.0 / 120);
  p = fma_(p, r, 1.0 / 24);
  p = fma_(p, r, 1.0 / 6);
  p = fma_(p, r, 0.5);
  p = fma_(p, r, 1.0);
  p = fma_(p, r, 1.0);
  return p * bits_<double>((bits_<uint64_t>(z) << 52) + 0x3ff0000000000000u);
}

// log(1 + z) for 0 <= z <= 1 as 2 atanh(s), s = z / (2 + z) <= 1/3: the series in s^2 <= 1/9 needs 8 (17) terms.
GATUN_HD float log1p_unit(float z) {
  const float s = z / (2.f + z), q = s * s;
  float p = 1.f / 15;
  p = fma_(p, q, 1.f / 13);
  p = fma_(p, q, 1.f / 11);
  p = fma_(p, q, 1.f / 9);
  p = fma_(p, q, 1.f / 7);
  p = fma_(p, q, 1.f / 5);
  p = fma_(p, q, 1.f / 3);
  return 2.f * fma_(s * q, p, s);
}
GATUN_HD double log1p_unit(double z) {
  const double s = z / (2.0 + z), q = s * s;
  double p = 1.0 / 33;
  p = fma_(p, q, 1.0 / 31);
  p = fma_(p, q, 1.0 / 29);
  p = fma_(p, q, 1.0 / 27);
  p = fma_(p, q, 1.0 / 25);
  p = fma_(p, q, 1.0 / 23);
  p = fma_(p, q, 1.0 / 21);
  p = fma_(p, q, 1.0 / 19);
  p = fma_(p, q, 1.0 / 17);
  p = fma_(p, q, 1.0 / 15);
  p = fma_(p, q, 1.0 / 13);
  p = fma_(p, q, 1.0 / 11);
  p = fma_(p, q, 1.0 / 9);
  p = fma_(p, q, 1.0 / 7);
  p = fma_(p, q, 1.0 / 5);
  p = fma_(p, q, 1.0 / 3);
  return 2.0 * fma_(s * q, p, s);
}

// softplus(x) = log(1 + exp(beta x)) / beta for x >= 0, and x itself where beta x > 20 (torch's threshold); written as
// x + log1p(exp(-beta x)) / beta, which cannot overflow. inverse is 1 / beta.
template <class T>
GATUN_HD T softplus(T x, T beta, T inverse) {
  const T y = beta * x;
  const T smooth = fma_(log1p_unit(exp_negative(y)), inverse, x);
  return y > T(20) ? x : smooth;
}

GATUN_RULES_END
