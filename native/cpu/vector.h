// vector.h - registers for the reductions, where accumulators and a rule's factors must stay in registers. Everything
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

// As many T as a register holds doubles, for the rules' formulas to be instantiated with.
template <class T>
struct Packed {
  static constexpr size_t kCount = kWidth;
  typedef T Register __attribute__((vector_size(kWidth * sizeof(T))));
  Register x;

  Packed() = default;
  GATUN_HD explicit Packed(double value) : x(T(value) - Register{}) {}
  GATUN_HD explicit Packed(Register x) : x(x) {}
  static GATUN_HD Packed load(const T* p) {
    Packed packed;
    memcpy(&packed.x, p, sizeof packed.x);
    return packed;
  }
};

template <class T>
GATUN_HD Packed<T> operator+(Packed<T> a, Packed<T> b) {
  return Packed<T>(a.x + b.x);
}
template <class T>
GATUN_HD Packed<T> operator-(Packed<T> a, Packed<T> b) {
  return Packed<T>(a.x - b.x);
}
template <class T>
GATUN_HD Packed<T> operator*(Packed<T> a, Packed<T> b) {
  return Packed<T>(a.x * b.x);
}
template <class T>
GATUN_HD Packed<T> operator/(Packed<T> a, Packed<T> b) {
  return Packed<T>(a.x / b.x);
}
template <class T>
GATUN_HD Packed<T> operator-(Packed<T> a) {
  return Packed<T>(-a.x);
}
template <class T>
GATUN_HD Packed<T> abs_(Packed<T> a) {
  return Packed<T>(a.x < 0 ? -a.x : a.x);
}
GATUN_HD Packed<double> fma_(Packed<double> a, Packed<double> b, Packed<double> c) {
  return Packed<double>(fma_(a.x, b.x, c.x));
}
GATUN_HD Packed<float> fma_(Packed<float> a, Packed<float> b, Packed<float> c) {
#if defined(__AVX512F__)
  c.x = (Packed<float>::Register)_mm256_fmadd_ps((__m256)a.x, (__m256)b.x, (__m256)c.x);
#elif defined(__AVX2__)
  c.x = (Packed<float>::Register)_mm_fmadd_ps((__m128)a.x, (__m128)b.x, (__m128)c.x);
#else
  for (size_t i = 0; i < kWidth; ++i) c.x[i] = fma_(a.x[i], b.x[i], c.x[i]);
#endif
  return c;
}
// maskz: without it g++ 12 warns of the intrinsic's own undefined register.
GATUN_HD Packed<double> sqrt_(Packed<double> a) {
#if defined(__AVX512F__)
  a.x = (Doubles)_mm512_maskz_sqrt_pd(0xff, (__m512d)a.x);
#elif defined(__AVX2__)
  a.x = (Doubles)_mm256_sqrt_pd((__m256d)a.x);
#else
  for (size_t i = 0; i < kWidth; ++i) a.x[i] = sqrt_(a.x[i]);
#endif
  return a;
}
GATUN_HD Packed<float> sqrt_(Packed<float> a) {
#if defined(__AVX512F__)
  a.x = (Packed<float>::Register)_mm256_sqrt_ps((__m256)a.x);
#elif defined(__AVX2__)
  a.x = (Packed<float>::Register)_mm_sqrt_ps((__m128)a.x);
#else
  for (size_t i = 0; i < kWidth; ++i) a.x[i] = sqrt_(a.x[i]);
#endif
  return a;
}

GATUN_HD Doubles widen(Packed<double> a) { return a.x; }
GATUN_HD Doubles widen(Packed<float> a) {
#if defined(__AVX512F__)
  return (Doubles)_mm512_maskz_cvtps_pd(0xff, (__m256)a.x);
#elif defined(__AVX2__)
  return (Doubles)_mm256_cvtps_pd((__m128)a.x);
#else
  return Doubles{a.x[0], a.x[1]};
#endif
}

GATUN_RULES_END
