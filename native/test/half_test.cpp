// half_test - BF16 and F16: every value and every border between two of them against the definition in
// half_reference.h, and stochastic rounding exactly (how many draws round up) and by statistics (are the draws random).
#include <vector>

#include "half_reference.h"
#include "problem.h"
#include "rules/half.h"

using namespace test;
using gatun::RoundingKey;

namespace {

float widen(int32_t dtype, uint16_t h) { return dtype == GATUN_BF16 ? gatun::widen_bf16(h) : gatun::widen_f16(h); }
uint16_t nearest(int32_t dtype, float x) {
  return dtype == GATUN_BF16 ? gatun::nearest_bf16(x) : gatun::nearest_f16(x);
}
uint16_t drawn(int32_t dtype, float x, uint32_t draw) {
  return dtype == GATUN_BF16 ? gatun::random_bf16(x, draw) : gatun::random_f16(x, draw);
}
const char* name(int32_t dtype) { return dtype == GATUN_BF16 ? "BF16" : "F16"; }
uint32_t word(float x) { return gatun::bits_<uint32_t>(x); }

void every_value(int32_t dtype) {
  for (int32_t h = 0; h < 65536; ++h) {
    const uint16_t half = uint16_t(h);
    const float wide = widen(dtype, half);
    const double value = half_value(dtype, half);
    if (std::isnan(value)) {
      CHECK(std::isnan(wide), "%s %04x is %g", name(dtype), h, double(wide));
      CHECK(std::isnan(half_value(dtype, nearest(dtype, wide))), "%s: NaN %04x comes back finite", name(dtype), h);
      continue;
    }
    CHECK(word(wide) == word(float(value)), "%s %04x is %a, not %a", name(dtype), h, double(wide), value);
    CHECK(nearest(dtype, wide) == half, "%s %04x comes back as %04x", name(dtype), h, nearest(dtype, wide));
    for (const uint32_t draw : {0u, 1u, 0x80000000u, 0x12345678u, 0xfffeffffu, 0xffffffffu})
      CHECK(drawn(dtype, wide, draw) == half, "%s %04x becomes %04x by draw %x", name(dtype), h,
            drawn(dtype, wide, draw), draw);
  }
  for (const uint32_t nan : {0x7f800001u, 0x7fc00000u, 0x7fffffffu, 0xff800001u, 0xffffffffu, 0x7f80ffffu})
    for (const uint32_t draw : {0u, 0xffffffffu}) {
      const float x = gatun::bits_<float>(nan);
      CHECK(std::isnan(half_value(dtype, nearest(dtype, x))), "%s: %08x is no NaN any more", name(dtype), nan);
      CHECK(std::isnan(half_value(dtype, drawn(dtype, x, draw))), "%s: %08x, drawn, is no NaN", name(dtype), nan);
    }
}

void check_nearest(int32_t dtype, float x) {
  CHECK(nearest(dtype, x) == half_nearest(dtype, double(x)), "%s: %a becomes %04x, not %04x", name(dtype), double(x),
        nearest(dtype, x), half_nearest(dtype, double(x)));
}

// Around every value and the middle to the next one, the first that is too large included.
void every_border(int32_t dtype) {
  for (uint16_t h = 0; h < half_infinity(dtype); ++h) {
    const double low = half_magnitude(dtype, h), high = half_magnitude(dtype, uint16_t(h + 1));
    for (const double sign : {1.0, -1.0})
      for (const double center : {low, (low + high) / 2}) {
        const float x = float(sign * center);
        check_nearest(dtype, x);
        check_nearest(dtype, std::nextafterf(x, INFINITY));
        check_nearest(dtype, std::nextafterf(x, -INFINITY));
      }
  }
  for (uint64_t bits = 0; bits < uint64_t(1) << 32; bits += 65521)  // a prime: all exponents, all kinds of low bits
    if (!std::isnan(gatun::bits_<float>(uint32_t(bits)))) check_nearest(dtype, gatun::bits_<float>(uint32_t(bits)));
  for (uint32_t bits = 0; bits < 300; ++bits) check_nearest(dtype, gatun::bits_<float>(bits));  // subnormal floats
}

// A value between two neighbours goes up for that share of all draws which is its distance from the lower one.
void shares(int32_t dtype) {
  const int draw_bits = dtype == GATUN_BF16 ? 16 : 13;
  for (uint64_t k = 0; k < 3000; ++k) {
    const uint32_t bits = uint32_t(uint64_t(random_number(5, k) * 1e8 + 1e9) * 2654435761u) & 0x7fffffffu;
    const float x = gatun::bits_<float>(bits);
    const uint16_t low = half_below(dtype, double(x));
    if (!std::isfinite(x) || low + 1 >= half_infinity(dtype)) continue;
    const double at = half_magnitude(dtype, low), step = half_magnitude(dtype, uint16_t(low + 1)) - at;
    const double share = (double(x) - at) / step;
    int64_t up = 0;
    uint16_t other = 0;
    if (dtype == GATUN_BF16 || double(x) >= 0x1p-14) {  // the draw's upper bits decide: all of their values
      for (uint32_t r = 0; r < 1u << draw_bits; ++r) {
        const uint16_t h = drawn(dtype, x, r << (32 - draw_bits));
        up += h == low + 1;
        other += h != low && h != low + 1;
      }
      CHECK(double(up) == std::ldexp(share, draw_bits), "%s: %a goes up for %lld of 2^%d draws, its share is %g",
            name(dtype), double(x), (long long)up, draw_bits, share);
    } else {  // draws below a threshold go up
      const double threshold = std::floor(std::ldexp(share, 32));
      for (const double draw : {0.0, threshold - 1, threshold, threshold + 1, 4294967295.0}) {
        if (!(draw >= 0 && draw <= 4294967295.0)) continue;
        const uint16_t h = drawn(dtype, x, uint32_t(draw)), expected = uint16_t(low + (draw < threshold ? 1 : 0));
        CHECK(h == expected, "F16: %a becomes %04x by draw %.0f, not %04x; its share is %g", double(x), h, draw,
              expected, share);
      }
    }
    CHECK(other == 0, "%s: %a becomes something else than its neighbours", name(dtype), double(x));
    CHECK(drawn(dtype, -x, 0x9e3779b9u) == (drawn(dtype, x, 0x9e3779b9u) | 0x8000),
          "%s: the sign of %a changes its size", name(dtype), double(x));
  }
}

// Above the largest finite value nothing is drawn: infinity must not be a matter of luck.
void overflow(int32_t dtype) {
  const uint16_t infinity = half_infinity(dtype);
  const double largest = half_magnitude(dtype, uint16_t(infinity - 1)), next = half_magnitude(dtype, infinity);
  for (const double part : {0.1, 0.4999, 0.5, 0.9})
    for (const uint32_t draw : {0u, 0x7fffffffu, 0xffffffffu}) {
      const float x = float(largest + part * (next - largest));
      if (std::isinf(x)) continue;
      CHECK(drawn(dtype, x, draw) == (part < 0.5 ? infinity - 1 : infinity), "%s: %a becomes %04x by draw %x",
            name(dtype), double(x), drawn(dtype, x, draw), draw);
    }
  for (const uint32_t draw : {0u, 0xffffffffu})
    CHECK(drawn(dtype, -INFINITY, draw) == (infinity | 0x8000), "%s: -infinity becomes %04x", name(dtype),
          drawn(dtype, -INFINITY, draw));
}

constexpr int64_t kDraws = 1000000;
constexpr double kSigmas = 5;

// Each bit is set in half of the words, up to five standard deviations.
void balanced(const std::vector<uint32_t>& words, const char* what) {
  const double n = double(words.size()), bound = kSigmas * std::sqrt(n) / 2;
  for (int bit = 0; bit < 32; ++bit) {
    int64_t set = 0;
    for (const uint32_t w : words) set += w >> bit & 1;
    CHECK(std::fabs(double(set) - n / 2) <= bound, "%s: bit %d is set %lld times of %.0f", what, bit, (long long)set,
          n);
  }
}

std::vector<uint32_t> draws(const RoundingKey& key, uint32_t first = 0) {
  std::vector<uint32_t> words;
  for (uint32_t i = 0; i < kDraws; ++i) words.push_back(key.draw(first + i));
  return words;
}

// Two streams differ in half of the bits.
void unrelated(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b, const char* what) {
  std::vector<uint32_t> difference;
  for (size_t i = 0; i < a.size(); ++i) difference.push_back(a[i] ^ b[i]);
  balanced(difference, what);
}

// 256 cells for the value of eight neighbouring bits; chi squared has mean 255 and variance 510.
void uniform(const std::vector<uint32_t>& words, const char* what) {
  for (int shift = 0; shift <= 24; shift += 4) {
    std::vector<int64_t> cells(256);
    for (const uint32_t w : words) ++cells[w >> shift & 255];
    const double expected = double(words.size()) / 256;
    double chi = 0;
    for (const int64_t c : cells) chi += (double(c) - expected) * (double(c) - expected) / expected;
    CHECK(std::fabs(chi - 255) <= kSigmas * std::sqrt(510.0), "%s: chi squared of bits %d to %d is %g", what, shift,
          shift + 7, chi);
  }
}

void random_draws() {
  const std::vector<uint32_t> some = draws(RoundingKey::of(42, 3, 17, 0));
  balanced(some, "draws");
  uniform(some, "draws");
  unrelated(some, draws(RoundingKey::of(43, 3, 17, 0)), "the next seed");
  unrelated(some, draws(RoundingKey::of(42, 4, 17, 0)), "the next tensor");
  unrelated(some, draws(RoundingKey::of(42, 3, 18, 0)), "the next step");
  unrelated(some, draws(RoundingKey::of(42, 3, 17, 1)), "2^32 elements on");
  unrelated(some, draws(RoundingKey::of(42, 17, 3, 0)), "tensor and step exchanged");
  unrelated(some, draws(RoundingKey::of(42, 3, 17, 0), 1), "the next element");
  unrelated(some, draws(RoundingKey::of(42, 3, 17, 0), 1u << 31), "2^31 elements on");
  std::vector<uint32_t> steps, tensors;  // one element's draws, step by step
  for (int64_t t = 0; t < kDraws; ++t) steps.push_back(RoundingKey::of(42, 3, t, 0).draw(5));
  for (int64_t i = 0; i < kDraws; ++i) tensors.push_back(RoundingKey::of(42, i, 3, 0).draw(5));
  balanced(steps, "one element's draws");
  uniform(steps, "one element's draws");
  balanced(tensors, "all tensors' first draws");
  uniform(tensors, "all tensors' first draws");
}

// Through the library: weights that should be at `target`, between two values, are there on average.
void unbiased(int32_t dtype, double target, int steps) {
  Problem problem({{sgd("", 1), GATUN_F32, {vector_of(kDraws)}, {dtype, GATUN_F32, GATUN_STOCHASTIC, 99}}}, 1);
  TensorData& tensor = problem.groups[0].tensors[0];
  const double start = half_magnitude(dtype, half_below(dtype, target)),
               step = half_magnitude(dtype, uint16_t(half_below(dtype, target) + 1)) - start,
               share = (target - start) / step;
  for (int64_t i = 0; i < kDraws; ++i) {
    tensor.weight.set(i, start);
    tensor.gradient.set(i, start - target);
  }
  Session session(problem, 2);
  double before = -1;
  for (int k = 0; k < steps; ++k) {  // the master stays where it is, and the weight is drawn again
    CHECK_OK(session.step());
    double up = 0;
    for (int64_t i = 0; i < kDraws; ++i) {
      const double moved = (tensor.weight.get(i) - start) / step;
      CHECK(moved == 0 || moved == 1, "%s: %a became %a", name(dtype), target, tensor.weight.get(i));
      CHECK(tensor.master.get(i) == target, "%s: the master is %a, not %a", name(dtype), tensor.master.get(i), target);
      up += moved;
      tensor.gradient.set(i, 0);
    }
    const double mean = up / double(kDraws), sigma = std::sqrt(share * (1 - share) / double(kDraws));
    CHECK(std::fabs(mean - share) <= kSigmas * sigma, "%s: %a goes up in %g of the cases, not %g", name(dtype), target,
          mean, share);
    CHECK(mean != before, "%s: step %d draws what the step before drew", name(dtype), k + 1);
    before = mean;
  }
}

}  // namespace

int main() {
  for (const int32_t dtype : {GATUN_BF16, GATUN_F16}) {
    every_value(dtype);
    every_border(dtype);
    shares(dtype);
    overflow(dtype);
    for (const double share : {1.0 / 64, 1.0 / 4, 0.5, 61.0 / 64})
      unbiased(dtype, half_magnitude(dtype, 0x3c00) * (1 + share / (1 << mantissa_bits(dtype))), 2);
    unbiased(dtype, half_magnitude(dtype, 37) + half_magnitude(dtype, 1) * 0.375, 2);  // subnormal
  }
  random_draws();
  return result("half");
}
