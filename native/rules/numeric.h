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

#if defined(__CUDA_ARCH__)  // the intrinsics that name their rounding, whatever the compiler is told about precision
GATUN_HD float fma_(float a, float b, float c) { return __fmaf_rn(a, b, c); }
GATUN_HD double fma_(double a, double b, double c) { return __fma_rn(a, b, c); }
GATUN_HD float sqrt_(float x) { return __fsqrt_rn(x); }
GATUN_HD double sqrt_(double x) { return __dsqrt_rn(x); }
#else
GATUN_HD float fma_(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
GATUN_HD double fma_(double a, double b, double c) { return __builtin_fma(a, b, c); }
GATUN_HD float sqrt_(float x) { return __builtin_sqrtf(x); }
GATUN_HD double sqrt_(double x) { return __builtin_sqrt(x); }
#endif
GATUN_HD float abs_(float x) { return x < 0 ? -x : x; }
GATUN_HD double abs_(double x) { return x < 0 ? -x : x; }
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

// c[0] + c[1] x + ... by pairs (Estrin): log2(N) dependent operations instead of N.
template <class T>
GATUN_HD T polynomial(const T (&c)[1], T) {
  return c[0];
}
template <class T, int N>
GATUN_HD T polynomial(const T (&c)[N], T x) {
  T pairs[(N + 1) / 2];
#if defined(__CUDA_ARCH__)
#pragma unroll
#elif !defined(__CUDACC__)
#pragma GCC unroll 16
#endif
  for (int i = 0; i < N / 2; ++i) pairs[i] = fma_(c[2 * i + 1], x, c[2 * i]);
  if (N % 2 != 0) pairs[N / 2] = c[N - 1];
  return polynomial(pairs, x * x);
}

// exp(-y) for 0 <= y <= 20: 2^k * e^r with |r| <= ln(2)/2. Adding 1.5 * 2^23 rounds to an integer and leaves it in the
// low bits. The polynomial is minimax (relative error 1.9e-9), in double Taylor's (4e-18).
GATUN_HD float exp_negative(float y) {
  const float shift = 12582912.f;
  const float z = fma_(y, -1.44269504f, shift), k = z - shift;
  float r = fma_(k, -0.693359375f, -y);  // ln 2 = 0.693359375 - 2.12194440e-4; the first product is exact
  r = fma_(k, 2.12194440e-4f, r);
  const float c[] = {1.f, 0.499999911f, 0.166664198f, 0.0416682251f, 0.00837481767f, 0.00138368446f};
  return fma_(polynomial(c, r), r, 1.f) * bits_<float>((bits_<uint32_t>(z) << 23) + 0x3f800000u);
}
// 2^k * e^r for |r| <= ln(2)/2, and k in the low bits of 1.5 * 2^52 + k.
GATUN_HD double exp_reduced(double r, double shifted) {
  const double c[] = {
      1.0,         1.0 / 2,      1.0 / 6,       1.0 / 24,       1.0 / 120,       1.0 / 720,       1.0 / 5040,
      1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
  return fma_(polynomial(c, r), r, 1.0) * bits_<double>((bits_<uint64_t>(shifted) << 52) + 0x3ff0000000000000u);
}
constexpr double kRoundToInteger = 6755399441055744.0;  // 1.5 * 2^52: what is added to it lies there as an integer

GATUN_HD double exp_negative(double y) {
  const double z = fma_(y, -1.4426950408889634, kRoundToInteger), k = z - kRoundToInteger;
  double r = fma_(k, -6.93147180369123816490e-01, -y);
  r = fma_(k, -1.90821492927058770002e-10, r);
  return exp_reduced(r, z);
}

// log(1 + z) for 0 <= z <= 1. float: a minimax polynomial about z = 1/2 (absolute error 4.5e-9, which is what counts
// beside softplus's x; in powers of z its terms would cancel and cost two ulp more). double: 2 atanh(s) with s = z / (2
// + z) <= 1/3, whose series in s^2 <= 1/9 needs 17 terms where a polynomial in z would need 23.
GATUN_HD float log1p_unit(float z) {
  const float c[] = {0.666666687f,   -0.222221375f,  0.0987635851f,   -0.0494096205f, 0.0263728872f,
                     -0.0143383266f, 0.00808084849f, -0.00615150155f, 0.00384529983f};
  return fma_(polynomial(c, z - 0.5f), z - 0.5f, 0.405465096f);
}
GATUN_HD double log1p_unit(double z) {
  const double s = z / (2.0 + z), q = s * s;
  const double c[] = {1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9,  1.0 / 11, 1.0 / 13, 1.0 / 15, 1.0 / 17,
                      1.0 / 19, 1.0 / 21, 1.0 / 23, 1.0 / 25, 1.0 / 27, 1.0 / 29, 1.0 / 31, 1.0 / 33};
  return 2.0 * fma_(s * q, polynomial(c, q), s);
}

// n^r for n from 1 to 2^53 and 0 <= r <= 1, as 2^(r (e + log2 m)) for n = 2^e m with 1 <= m < 2. r e is kept exactly,
// as the sum of p and q: rounding it would cost 2^6 ulp, as the result's relative error is the exponent's absolute one.
// Within 2 ulp, measured by test/numerics_test; exact for r = 0 and n = 1.
GATUN_HD double fractional_power(int64_t n, double r) {
  const uint64_t bits = bits_<uint64_t>(double(n)), fraction = 0x000fffffffffffffu;
  const double e = double(int64_t(bits >> 52) - 1023), m = bits_<double>((bits & fraction) | 0x3ff0000000000000u);
  const double log2_m = log1p_unit(m - 1) * 1.4426950408889634;
  const double p = r * e, q = fma_(r, e, -p);
  const double z = fma_(r, log2_m, p) + kRoundToInteger, k = z - kRoundToInteger;
  return exp_reduced(((p - k) + fma_(r, log2_m, q)) * 0.6931471805599453, z);
}

// (1 + cos(pi n/k)) / 2 for n >= 0, and 0 from n = k on: the square of a cosine or a sine of at most pi/4, whose Taylor
// series end below 2^-53. Within 5 ulp, measured by test/numerics_test; exact at both ends.
GATUN_HD double half_cosine(int64_t n, int64_t k) {
  if (n >= k) return 0;
  const bool first_half = n <= k - n;
  const double x = double(first_half ? n : k - n) / double(k) * 1.5707963267948966, q = x * x;
  const double c[] = {-1.0 / 2,       1.0 / 24,        -1.0 / 720,         1.0 / 40320,
                      -1.0 / 3628800, 1.0 / 479001600, -1.0 / 87178291200, 1.0 / 20922789888000};
  const double s[] = {-1.0 / 6,        1.0 / 120,        -1.0 / 5040,          1.0 / 362880,
                      -1.0 / 39916800, 1.0 / 6227020800, -1.0 / 1307674368000, 1.0 / 355687428096000};
  const double root = first_half ? fma_(polynomial(c, q), q, 1.0) : fma_(polynomial(s, q) * q, x, x);
  return root * root;
}

// log(x) for x >= 1, infinity and NaN as they are: x = 2^e m with 1 <= m < 2, so that nothing cancels. Within 2 ulp,
// measured by test/numerics_test.
GATUN_HD double log_above_one(double x) {
  const uint64_t bits = bits_<uint64_t>(x), fraction = 0x000fffffffffffffu;
  const double e = double(int64_t(bits >> 52) - 1023), m = bits_<double>((bits & fraction) | 0x3ff0000000000000u);
  const double log = fma_(e, 0.6931471805599453, log1p_unit(m - 1));
  return x - x == 0 ? log : x;
}

// softplus(x) = log(1 + exp(beta x)) / beta for x >= 0, and x itself where beta x > 20 (torch's threshold); written as
// x + log1p(exp(-beta x)) / beta, which cannot overflow. inverse is 1 / beta. Within 3 ulp,
// measured by test/numerics_test over betas from 1e-3 to 1e4.
template <class T>
GATUN_HD T softplus(T x, T beta, T inverse) {
  const T y = beta * x;
  const T smooth = fma_(log1p_unit(exp_negative(y)), inverse, x);
  return y > T(20) ? x : smooth;
}

GATUN_RULES_END
