// power.cpp - what layers are fed with: its power by channel, and the factors that a rule makes of it.
#include <cstring>
#include <limits>

#include "cpu/plan.h"

namespace gatun {

namespace {

// As for gradients, see plan.cpp.
constexpr int64_t kElementsPerThread = 32768;

}  // namespace

void CpuPlan::add_powered(Tensor& t, const gatun_tensor& from) {
  Powered p{};
  p.tensor = int32_t(tensors_.size());
  p.means.resize(size_t(from.powers));
  p.inverses.resize(size_t(from.powers));
  if (from.powers > 1 && from.length > 0) {
    p.row_length = from.length / from.rows;
    p.rows_per_group = from.rows / from.input_groups;
    const int64_t factors = from.input_groups * p.row_length;
    p.repeat = factors / from.powers;
    p.factors.resize(size_t(factors * element_bytes(groups_[size_t(t.group)].description.dtype)));
  }
  t.powered = int32_t(powered_.size());
  powered_.push_back(std::move(p));
}

void CpuPlan::input(int64_t group, int64_t tensor, const gatun_input* input) {
  const Tensor& t = tensors_[tensor_index(group, tensor)];
  if (input == nullptr) {
    if (t.powered >= 0) powered_[size_t(t.powered)].bound = false;
    return;
  }
  const int64_t powers = t.powered < 0 ? 0 : int64_t(powered_[size_t(t.powered)].means.size());
  check_input(*input, powers, group, tensor);
  Powered& p = powered_[size_t(t.powered)];
  const PowerGeometry geometry =
      input->power ? PowerGeometry{} : PowerGeometry::of(input->samples, input->channels, input->area);
  if (size_t(geometry.count()) > p.parts.size()) p.parts.resize(size_t(geometry.count()));
  p.input = *input;
  p.geometry = geometry;
  p.bound = true;
}

// The tensor's input at this step; null for none.
const CpuPlan::Powered* CpuPlan::fed(const Tensor& t) const {
  if (t.powered < 0 || !powered_[size_t(t.powered)].bound) return nullptr;
  return &powered_[size_t(t.powered)];
}

// The parts of all inputs, in even shares.
void CpuPlan::reduce_powers() {
  int64_t parts = 0, elements = 0;
  for (const Powered& p : powered_) {
    if (!wanted(p) || p.input.power) continue;
    parts += p.geometry.count();
    elements += p.input.samples * p.input.channels * p.input.area;
  }
  if (parts == 0) return;
  const int64_t useful = elements / kElementsPerThread;
  const int threads = useful < 1 ? 1 : useful < context.pool->threads() ? int(useful) : context.pool->threads();
  context.pool->run(threads, [&](int thread) {
    const int64_t begin = parts * thread / threads, end = parts * (thread + 1) / threads;
    int64_t first = 0;  // of the input's parts among all
    for (Powered& p : powered_) {
      if (!wanted(p) || p.input.power) continue;
      const int64_t count = p.geometry.count();
      const Group& group = groups_[size_t(tensors_[size_t(p.tensor)].group)];
      const Kernels& k = *kernels(context.isa, p.input.dtype);
      for (int64_t i = begin > first ? begin - first : 0; i < count && first + i < end; ++i)
        p.parts[size_t(i)] = k.power(p.input.address, p.geometry.part(i), group.absolute);
      first += count;
    }
  });
}

// Parts become the mean powers of a batch, by channel.
void CpuPlan::merge_powers() {
  for (Powered& p : powered_) {
    if (!wanted(p)) continue;
    const size_t channels = p.means.size();
    if (p.input.power) {
      std::memcpy(p.means.data(), p.input.address, channels * sizeof(double));
      continue;
    }
    for (size_t c = 0; c < channels; ++c) {
      LaneSum sum;
      for (int64_t i = 0; i < p.geometry.parts; ++i) sum.add(i, p.parts[size_t(i) * channels + c]);
      p.means[c] = sum.total() / double(p.input.samples);
    }
  }
}

bool CpuPlan::powers_finite(const Tensor& t) const {
  const Powered* p = fed(t);
  if (p == nullptr) return true;
  for (const double mean : p->means)
    if (!(mean >= 0 && mean <= std::numeric_limits<double>::max())) return false;
  return true;
}

// The tensor's powers take the batch in, and its coefficients and factors come of them.
void CpuPlan::finish_powers(Tensor& t, double lr) {
  Group& group = groups_[size_t(t.group)];
  Powered& p = powered_[size_t(t.powered)];
  const gatun_group& d = group.description;
  const int64_t channels = int64_t(p.means.size());
  group.kernels->inverses(d.rule, d.arguments, *t.steps == 1, channels, p.means.data(),
                          static_cast<double*>(t.state[group.slots]), p.inverses.data());
  if (!p.factors.empty()) group.kernels->spread(p.inverses.data(), channels, p.repeat, p.factors.data());
  RuleStep step{*t.steps, lr, t.decay, nullptr, nullptr, double(t.geometry.length)};
  step.inverse = p.inverses[0];
  unsigned char* own = group.own[size_t(&t - tensors_.data() - group.first_tensor)].bytes;
  group.kernels->finalize(d.rule, d.arguments, step, own);
  t.coefficients = own;
}

}  // namespace gatun
