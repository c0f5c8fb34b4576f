// vector.h - registers of doubles for the reductions, where the accumulators must stay in registers. Everything
// elementwise is left to the compiler's own vectorisation.
#pragma once
#include <cstddef>

#include "rules/numeric.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

GATUN_RULES_BEGIN

#if defined(__AVX512F__)
constexpr size_t kWidth = 8;
#elif defined(__AVX2__)
constexpr size_t kWidth = 4;
#else
constexpr size_t kWidth = 2;
#endif

typedef double Doubles __attribute__((vector_size(kWidth * sizeof(double))));

GATUN_HD Doubles fma_(Doubles a, Doubles b, Doubles c) {
#if defined(__AVX512F__)
  return (Doubles)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__AVX2__)
  return (Doubles)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#else
  return Doubles{fma_(a[0], b[0], c[0]), fma_(a[1], b[1], c[1])};
#endif
}

GATUN_HD Doubles load(const double* p) {
  Doubles x;
  memcpy(&x, p, sizeof x);
  return x;
}
GATUN_HD Doubles load(const float* p) {
#if defined(__AVX512F__)  // g++ 12 makes two halves and an insert of __builtin_convertvector; maskz has no undefined
                          // lanes to warn of
  return (Doubles)_mm512_maskz_cvtps_pd(0xff, _mm256_loadu_ps(p));
#elif defined(__AVX2__)
  return (Doubles)_mm256_cvtps_pd(_mm_loadu_ps(p));
#else
  return Doubles{p[0], p[1]};
#endif
}

GATUN_RULES_END
