// elements.cuh - arrays that may be BF16 or F16 beside F32 arithmetic: what they are is asked where they are read, so
// that no kernel is compiled once more for them.
#pragma once
#include "cuda/intrinsics.cuh"
#include "cuda/tables.h"
#include "rules/half.h"

namespace gatun {

template <int n>
GATUN_DEVICE Pack<float, n> widened(int32_t dtype, const Pack<uint16_t, n>& h) {
  Pack<float, n> x;
  if (dtype == GATUN_BF16) {
#pragma unroll
    for (int e = 0; e < n; ++e) x.v[e] = widen_bf16(h.v[e]);
  } else {
#pragma unroll
    for (int e = 0; e < n; ++e) x.v[e] = widen_f16(h.v[e]);
  }
  return x;
}

// A pointer to BF16 or F16 that reads as one to F32.
struct Halves {
  const uint16_t* at;
  int32_t dtype;

  GATUN_DEVICE float operator[](int i) const { return widened<1>(dtype, {{at[i]}}).v[0]; }
  GATUN_DEVICE Halves operator+(int64_t n) const { return {at + n, dtype}; }
};

// May it be read a vector at a time?
template <class T>
GATUN_DEVICE bool in_vectors(const T* p) {
  return reinterpret_cast<uintptr_t>(p) % (sizeof(T) * kVector<T>) == 0;
}
GATUN_DEVICE bool in_vectors(const Halves& p) { return in_vectors(p.at); }

// Elements of the arithmetic's type T, or halves in their place where that is F32.
template <class T>
struct Elements {
  unsigned char* address;
  int32_t dtype;
  static constexpr bool kMayBeHalf = sizeof(T) == sizeof(float);

  static GATUN_DEVICE Elements of(const GradientEntry& gradient) {
    return {static_cast<unsigned char*>(gradient.address), gradient.dtype};
  }
  GATUN_DEVICE bool halves() const { return kMayBeHalf && is_half(dtype); }
  GATUN_DEVICE T* whole() const { return reinterpret_cast<T*>(address); }
  GATUN_DEVICE uint16_t* half() const { return reinterpret_cast<uint16_t*>(address); }

  GATUN_DEVICE Elements operator+(int64_t n) const {
    return {address + n * int64_t(halves() ? sizeof(uint16_t) : sizeof(T)), dtype};
  }
  GATUN_DEVICE T operator[](int i) const { return halves() ? T(Halves{half(), dtype}[i]) : whole()[i]; }
  GATUN_DEVICE bool in_vectors() const { return halves() ? gatun::in_vectors(half()) : gatun::in_vectors(whole()); }

  // Reading is in two steps, so that what lies beside is on its way before anybody waits: n elements as they are in
  // memory, halves two by two in the registers of T; and then what they are.
  template <int n>
  GATUN_DEVICE Pack<T, n> fetch_once(int i) const {
    if constexpr (kMayBeHalf)
      if (halves()) return paired(load_once<n>(half() + i));
    return load_once<n>(whole() + i);
  }
  template <int n>
  GATUN_DEVICE void widen(Pack<T, n>& x) const {
    if constexpr (kMayBeHalf) {
      if (!halves()) return;
      Pack<uint16_t, n> h;
#pragma unroll
      for (int e = 0; e < n; ++e) h.v[e] = uint16_t(bits_<uint32_t>(x.v[e / 2]) >> 16 * (e % 2));
      x = widened(dtype, h);
    }
  }
  template <int n>
  static GATUN_DEVICE Pack<T, n> paired(const Pack<uint16_t, n>& h) {
    Pack<T, n> x{};
#pragma unroll
    for (int e = 0; e < n; e += 2)
      x.v[e / 2] = bits_<T>(uint32_t(h.v[e]) | (e + 1 < n ? uint32_t(h.v[(e + 1) % n]) << 16 : 0));
    return x;
  }

  template <int n>
  GATUN_DEVICE void clear(int i) const {
    if constexpr (kMayBeHalf)
      if (halves()) return store_once(half() + i, Pack<uint16_t, n>{});
    store_once(whole() + i, Pack<T, n>{});
  }
};

// Calls body with a pointer to elements, or with Halves: for loops that ask once and not for every element.
template <class T, class Body>
GATUN_DEVICE auto visit_elements(const Elements<T>& elements, Body body) {
  if constexpr (Elements<T>::kMayBeHalf)
    if (elements.halves()) return body(Halves{elements.half(), elements.dtype});
  return body(static_cast<const T*>(elements.whole()));
}

}  // namespace gatun
