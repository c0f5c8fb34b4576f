// mixed_test - BF16 and F16 weights and gradients. A step with them is a step in F32 on the same values, bit for bit,
// whose weights are the masters; the weights are the masters' rounding. So the F32 step of the same library is the
// reference, and half_reference.h and rules/half.h (which half_test proves) round its weights.
#include <cmath>
#include <limits>

#include "half_reference.h"
#include "rules/half.h"
#include "specs.h"

using namespace test;

namespace {

// Takes over what the mixed problem has, where types differ by value.
void copy(const Buffer& from, Buffer& to) {
  for (int64_t i = 0; i < from.size(); ++i) to.set(i, from.get(i));
}
bool same(const Buffer& a, const Buffer& b) {
  return a.bytes() == 0 || std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

uint16_t half(const Buffer& buffer, int64_t i) { return static_cast<const uint16_t*>(buffer.data())[i]; }

// What is written for a master: number and step are the tensor's and the group's.
uint16_t rounded(const GroupData& group, float master, int64_t number, int64_t step, int64_t i) {
  const int32_t dtype = group.types.weight;
  if (group.types.rounding == GATUN_NEAREST) return half_nearest(dtype, double(master));
  const uint32_t draw = gatun::RoundingKey::of(group.types.seed, number, step, i >> 32).draw(uint32_t(i));
  return dtype == GATUN_BF16 ? gatun::random_bf16(master, draw) : gatun::random_f16(master, draw);
}

struct Way {
  int32_t isa, threads;
  int64_t flags;
  bool phases;
};

// Steps the mixed problem `way` and its F32 twin, and compares after every step.
void compare(const std::string& name, const std::vector<GroupSetup>& setups, const Way& way, int steps) {
  if (way.isa > gatun_cpu_best_isa()) return;
  std::vector<GroupSetup> plain = setups;
  for (GroupSetup& setup : plain) setup.types = {};
  Problem mixed(setups, 17), wide(plain, 17);
  for (size_t g = 0; g < mixed.groups.size(); ++g)
    for (size_t t = 0; t < mixed.groups[g].tensors.size(); ++t)
      copy(mixed.groups[g].tensors[t].weight, wide.groups[g].tensors[t].weight);
  Session session(mixed, way.threads, way.isa), reference(wide, 2);
  for (int step = 1; step <= steps && failures < 25; ++step) {
    mixed.make_gradients(step, true);
    wide.make_gradients(step, true);
    std::vector<std::vector<Buffer>> before(mixed.groups.size());
    for (size_t g = 0; g < mixed.groups.size(); ++g)
      for (size_t t = 0; t < mixed.groups[g].tensors.size(); ++t) {
        copy(mixed.groups[g].tensors[t].gradient, wide.groups[g].tensors[t].gradient);
        Buffer weight(mixed.groups[g].tensors[t].weight.size(), mixed.groups[g].weight_dtype());
        copy(mixed.groups[g].tensors[t].weight, weight);
        before[g].push_back(std::move(weight));
      }
    session.bind();
    reference.bind();
    CHECK_OK(way.phases ? session.phases(way.flags, 0.3) : session.step(way.flags, 0.3));
    CHECK_OK(reference.step(way.flags, 0.3));
    CHECK(mixed.padding_intact(), "%s, step %d: bytes beside a buffer were written", name.c_str(), step);
    for (size_t g = 0; g < mixed.groups.size(); ++g) {
      const GroupData &group = mixed.groups[g], &wide_group = wide.groups[g];
      CHECK(same(group.counters, wide_group.counters), "%s, step %d: counters differ", name.c_str(), step);
      for (size_t t = 0; t < group.tensors.size(); ++t) {
        const TensorData &tensor = group.tensors[t], &twin = wide_group.tensors[t];
        for (size_t s = 0; s < tensor.state.size(); ++s)
          CHECK(same(tensor.state[s], twin.state[s]), "%s, step %d, tensor %zu: state[%zu] is not that of F32",
                name.c_str(), step, t, s);
        if (way.flags & GATUN_ZERO_GRADIENTS && !tensor.idle)
          for (int64_t i = 0; i < tensor.gradient.size(); ++i)
            CHECK(tensor.gradient.get(i) == 0, "%s: gradient[%lld] of tensor %zu is not cleared", name.c_str(),
                  (long long)i, t);
        if (group.weight_dtype() == GATUN_F32) {
          CHECK(same(tensor.weight, twin.weight), "%s, step %d, tensor %zu: weights are not those of F32", name.c_str(),
                step, t);
          continue;
        }
        const int64_t group_step = group.counter(group.tensors.size()), number = 1000 * int64_t(g) + int64_t(t);
        bool synchronizes = false;
        for (const gatun_average& a : group.spec.averages)
          synchronizes |= a.kind == GATUN_LOOKAHEAD && a.skip_idle == 0 && group_step % a.k == 0;
        const bool moved = !tensor.idle || synchronizes;
        const bool begun = group.counter(t) > 0 || synchronizes;
        CHECK(!begun || same(tensor.master, twin.weight), "%s, step %d, tensor %zu: masters are not the weights of F32",
              name.c_str(), step, t);
        for (int64_t i = 0; i < tensor.weight.size(); ++i) {
          const uint16_t expected =
              moved ? rounded(group, static_cast<const float*>(twin.weight.data())[i], number, group_step, i)
                    : half(before[g][t], i);
          CHECK(half(tensor.weight, i) == expected,
                "%s, step %d, tensor %zu: weight %lld is %04x, not %04x (moved: %d), its master %a", name.c_str(), step,
                t, (long long)i, half(tensor.weight, i), expected, moved, tensor.master.get(i));
        }
      }
    }
  }
}

const std::vector<Way> kWays = {{GATUN_ISA_SCALAR, 1, 0, false},
                                {GATUN_ISA_AVX2, 3, GATUN_CHECK_FINITE, true},
                                {GATUN_ISA_AVX512, 2, GATUN_ZERO_GRADIENTS, false},
                                {GATUN_ISA_AVX2, 7, GATUN_CHECK_FINITE | GATUN_ZERO_GRADIENTS, false},
                                {GATUN_ISA_AVX512, 7, GATUN_CHECK_FINITE, false},
                                {GATUN_ISA_SCALAR, 2, 0, true},
                                {GATUN_ISA_AUTO, 3, 0, false}};

// A NaN or an infinity in any half refuses the step; the largest finite ones do not, not even their squares' sum.
void finite_check(int32_t dtype) {
  const Spec spec = adam("", 1e-3).lookahead(2, 0.5, false);
  const std::vector<Shape> shapes = {vector_of(3), vector_of(70), matrix_of(2, 2100)};
  Problem problem({{spec, GATUN_F32, shapes, {dtype, dtype, GATUN_STOCHASTIC, 1}}}, 3);
  Session session(problem, 2);
  for (int step = 1; step <= 3; ++step) {
    problem.make_gradients(step, false);
    for (size_t t = 0; t < shapes.size(); ++t)
      for (const int64_t i : {int64_t(0), shapes[t].length / 2, shapes[t].length - 1})
        for (const uint16_t bad :
             {int(half_infinity(dtype)), half_infinity(dtype) | 0x8000, half_infinity(dtype) + 1, 0x7fff, 0xffff}) {
          auto* gradient = static_cast<uint16_t*>(problem.groups[0].tensors[t].gradient.data());
          const uint16_t good = gradient[i];
          gradient[i] = bad;
          const std::vector<unsigned char> before = problem.bits();
          CHECK_OK(session.step(GATUN_CHECK_FINITE));
          CHECK(session.report().skipped == 1 && session.report().skipped_tensor == int64_t(t),
                "%04x at %lld of tensor %zu was not noticed", bad, (long long)i, t);
          CHECK(problem.bits() == before, "%04x at %lld of tensor %zu changed something", bad, (long long)i, t);
          gradient[i] = good;
        }
    // the largest of F16, and 2^58 as BF16, whose largest has no square in F32
    const auto all = [&](int bits) {
      for (int64_t i = 0; i < 70; ++i)
        static_cast<uint16_t*>(problem.groups[0].tensors[1].gradient.data())[i] = uint16_t(bits);
      CHECK_OK(session.step(GATUN_CHECK_FINITE));
      return session.report().skipped;
    };
    CHECK(all(dtype == GATUN_F16 ? half_infinity(dtype) - 1 : 0x5c80) == 0, "large gradients were refused");
    CHECK(dtype == GATUN_F16 || all(half_infinity(dtype) - 1) == 1, "the largest BF16 was not refused");
  }
  // a refused step clears gradients of two bytes each, when told to
  static_cast<uint16_t*>(problem.groups[0].tensors[2].gradient.data())[4199] = 0x7fff;
  CHECK_OK(session.step(GATUN_CHECK_FINITE | GATUN_ZERO_GRADIENTS));
  CHECK(session.report().skipped == 1, "the last element's NaN was not noticed");
  for (const TensorData& tensor : problem.groups[0].tensors)
    for (int64_t i = 0; i < tensor.gradient.size(); ++i)
      CHECK(half(tensor.gradient, i) == 0, "gradient %lld is not cleared", (long long)i);
  CHECK(problem.padding_intact(), "bytes beside a buffer were written");
}

// Without the check a NaN or an infinity gets as far as IEEE arithmetic carries it, into the half.
void not_finite(int32_t dtype, int32_t rounding) {
  Problem problem({{sgd("", 1), GATUN_F32, {vector_of(40)}, {dtype, dtype, rounding, 1}}}, 3);
  Session session(problem, 1);
  problem.make_gradients(1, false);
  auto* gradient = static_cast<uint16_t*>(problem.groups[0].tensors[0].gradient.data());
  gradient[7] = 0x7fff, gradient[9] = half_infinity(dtype), gradient[11] = half_infinity(dtype) | 0x8000;
  CHECK_OK(session.step());
  const Buffer& weight = problem.groups[0].tensors[0].weight;
  for (int64_t i = 0; i < 40; ++i) {
    const double w = weight.get(i);
    CHECK(i == 7    ? std::isnan(w)
          : i == 9  ? w == -INFINITY
          : i == 11 ? w == INFINITY
                    : std::isfinite(w),
          "weight %lld is %g", (long long)i, w);
  }
}

// The gradient's type is that of the address that is bound, step by step.
void types_change_with_the_gradient() {
  Problem a({{adam("", 1e-2), GATUN_F32, {vector_of(100)}, {GATUN_BF16, GATUN_BF16}}}, 3),
      b({{adam("", 1e-2), GATUN_F32, {vector_of(100)}, {GATUN_BF16, GATUN_F32}}}, 3);
  Session first(a, 1), second(b, 1);
  for (int step = 1; step <= 4; ++step) {
    a.make_gradients(step, false);
    copy(a.groups[0].tensors[0].gradient, b.groups[0].tensors[0].gradient);
    if (step % 2 == 0)
      CHECK_OK(gatun_plan_gradient(second.plan(), 0, 0, a.groups[0].tensors[0].gradient.data(), GATUN_BF16));
    else
      second.bind();
    CHECK_OK(first.step());
    CHECK_OK(second.step());
    CHECK(a.bits() == b.bits(), "step %d depends on the gradient's type", step);
  }
}

}  // namespace

int main() {
  const bool slow = flag("GATUN_TEST_SLOW_BUILD");
  std::vector<Spec> specs = all_specs();
  for (const Spec& spec : other_specs(true)) specs.push_back(spec);
  const std::vector<Types> types = all_types();
  const std::vector<Shape> shapes = {{0, 0, false},   vector_of(1),      vector_of(7),      vector_of(33),
                                     vector_of(1024), vector_of(1025),   vector_of(2049),   matrix_of(3, 5),
                                     matrix_of(5, 9), matrix_of(228, 9), matrix_of(2, 577), matrix_of(3, 2049),
                                     matrix_of(2, 1)};
  size_t way = 0;
  for (const Spec& spec : specs)
    for (const Types& t : types) {
      if (slow && way++ % 5 != 0) continue;
      const GroupSetup mixed{spec, GATUN_F32, shapes, t},
          half_of_it{spec, GATUN_F32, {vector_of(50), matrix_of(2, 3)}, t};
      compare(spec.name + name_of(t), {mixed, half_of_it}, kWays[way++ % kWays.size()], slow ? 3 : 6);
    }
  // an average that follows weights which nothing moves: these are not drawn again
  for (const Types& t : types)
    compare("ema" + name_of(t), {{sgd("", 0.05).ema(0.9), GATUN_F32, shapes, t}}, kWays[0], 4);
  // enough elements that threads share tensors
  const std::vector<Shape> large = {vector_of(50003), matrix_of(7, 20011), matrix_of(100, 577)};
  for (const Spec& spec :
       {adam("large adamw", 1e-3, 0.1, GATUN_DECAY_DECOUPLED), sgd("large clip", 0.05, 0.9).clip(0.5),
        adam("large sing", 5e-3, 0.1, GATUN_DECAY_DECOUPLED, false, 50).standardize()})
    for (const Way& w : kWays)
      compare(spec.name + name_of(types[way % types.size()]), {{spec, GATUN_F32, large, types[way++ % types.size()]}},
              w, 2);
  // long enough for small updates to add up in the masters
  for (const Types& t : types)
    compare("1000 steps" + name_of(t), {{adam("", 1e-4), GATUN_F32, {vector_of(70)}, t}}, kWays[6], slow ? 100 : 1000);
  for (const int32_t dtype : {GATUN_BF16, GATUN_F16}) {
    finite_check(dtype);
    for (const int32_t rounding : {GATUN_NEAREST, GATUN_STOCHASTIC}) not_finite(dtype, rounding);
  }
  types_change_with_the_gradient();
  return result("mixed");
}
