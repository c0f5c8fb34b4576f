#include "problem.h"

#include <algorithm>
#include <utility>

#include "half_reference.h"

namespace test {

namespace {
uint64_t mix(uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}
}  // namespace

double random_number(uint64_t seed, uint64_t index) {
  const uint64_t bits = mix(seed * 0x2545f4914f6cdd1du + index);
  int64_t sum = 0;  // four 16-bit uniforms: enough of a bell
  for (int k = 0; k < 4; ++k) sum += int64_t((bits >> (16 * k)) & 0xffff);
  return double(sum - 131070) * (1.7320508 / 65536);
}

size_t Spec::rule_slots() const {
  if (!other.empty()) return other_slots;
  if (rule == GATUN_RULE_SGD) return sgd.momentum != 0 ? 1 : 0;
  return adam.amsgrad ? 3 : 2;
}
const void* Spec::arguments() const {
  if (!other.empty()) return other.data();
  return rule == GATUN_RULE_SGD ? static_cast<const void*>(&sgd) : &adam;
}
Spec& Spec::standardize(bool center, bool normalize, double eps) {
  transforms.push_back({eps, GATUN_STANDARDIZE, center, normalize, 0});
  return *this;
}
Spec& Spec::clip(double norm) {
  transforms.push_back({norm, GATUN_CLIP, 0, 0, 0});
  return *this;
}
Spec& Spec::lookahead(int64_t k, double alpha, bool skip_idle) {
  averages.push_back({alpha, k, GATUN_LOOKAHEAD, skip_idle});
  return *this;
}
Spec& Spec::ema(double tau) {
  averages.push_back({tau, 0, GATUN_EMA, 0});
  return *this;
}
Spec& Spec::byol(double tau, int64_t steps) {
  averages.push_back({tau, steps, GATUN_EMA_BYOL, 0});
  return *this;
}

Spec sgd(std::string name, double lr, double momentum, double dampening, bool nesterov, double weight_decay,
         int32_t decay) {
  Spec spec;
  spec.name = std::move(name);
  spec.lr = lr;
  spec.sgd = {momentum, dampening, weight_decay, decay, nesterov};
  return spec;
}
Spec adam(std::string name, double lr, double weight_decay, int32_t decay, bool amsgrad, double softplus) {
  Spec spec;
  spec.name = std::move(name);
  spec.rule = GATUN_RULE_ADAM;
  spec.lr = lr;
  spec.adam = {0.9, 0.999, 1e-8, weight_decay, softplus, decay, amsgrad};
  return spec;
}

Buffer::Buffer(int64_t n, int32_t dtype)
    : n_(n),
      dtype_(dtype),
      element_(dtype == GATUN_F64   ? 8
               : dtype == GATUN_F32 ? 4
                                    : 2),
      bytes_(new unsigned char[kFront + size_t(n) * element_ + kBack]) {
  std::memset(bytes_.get(), 0xff, kFront);
  std::memset(bytes_.get() + kFront, 0, bytes());
  std::memset(bytes_.get() + kFront + bytes(), 0xff, kBack);
}
double Buffer::get(int64_t i) const {
  if (element_ == 8) return static_cast<const double*>(data())[i];
  if (element_ == 4) return double(static_cast<const float*>(data())[i]);
  return half_value(dtype_, static_cast<const uint16_t*>(data())[i]);
}
void Buffer::set(int64_t i, double value) {
  if (element_ == 8) {
    static_cast<double*>(data())[i] = value;
  } else if (element_ == 4) {
    static_cast<float*>(data())[i] = float(value);
  } else {
    static_cast<uint16_t*>(data())[i] = half_nearest(dtype_, value);
  }
}
bool Buffer::padding_intact() const {
  const auto poisoned = [](unsigned char byte) { return byte == 0xff; };
  const unsigned char* const end = bytes_.get() + kFront + bytes();
  return std::all_of(bytes_.get(), bytes_.get() + kFront, poisoned) && std::all_of(end, end + kBack, poisoned);
}

int64_t GroupData::counter(size_t i) const { return static_cast<const int64_t*>(counters.data())[i]; }

namespace {
// Matrices are a dense layer's weight, a convolution's with kernels of 9 elements where rows can be cut so, in one
// group or two, a depthwise convolution's, and a convolution's again, whose input power will be given.
void give_powers(TensorData& tensor, size_t index) {
  const Shape& shape = tensor.shape;
  if (!shape.matrix || shape.length == 0) return;
  const int64_t row_length = shape.length / shape.rows;
  if (index % 4 == 0) {
    tensor.powers = 1;
  } else if (index % 4 == 2) {
    tensor.powers = tensor.input_groups = shape.rows;
  } else {
    tensor.input_groups = shape.rows % 2 == 0 ? 2 : 1;
    tensor.powers = tensor.input_groups * (row_length % 9 == 0 ? row_length / 9 : row_length);
  }
}
}  // namespace

// A batch whose size and maps change with the step; every seventh channel of it is silent.
void Problem::make_input(TensorData& tensor, int32_t dtype, size_t index, uint64_t key) {
  if (tensor.powers == 0) return;
  const int64_t areas[] = {1, 7, 49, 33, 2049, 64, 5000};
  gatun_input& fed = tensor.fed = {nullptr, int64_t(1 + key % 5), tensor.powers, areas[key % 7], dtype, index % 4 == 3};
  if (fed.samples * fed.channels * fed.area > 100000) fed.area = 1;
  if (tensor.powers == 1 && key % 3 == 0) fed.samples = 300;
  tensor.input.emplace(fed.power ? fed.channels : fed.samples * fed.channels * fed.area, fed.power ? GATUN_F64 : dtype);
  for (int64_t i = 0; i < tensor.input->size(); ++i) {
    const double x = fed.power || i / fed.area % fed.channels % 7 != 3 ? random_number(key + 99, uint64_t(i)) : 0;
    tensor.input->set(i, fed.power ? x * x : x);
  }
  fed.address = tensor.input->data();
}

Problem::Problem(std::vector<GroupSetup> setups, uint64_t seed) : seed_(seed) {
  for (size_t g = 0; g < setups.size(); ++g) {
    GroupSetup& setup = setups[g];
    GroupData group{setup.spec, setup.dtype, {}, Buffer(int64_t(setup.shapes.size()) + 1, GATUN_F64), setup.types};
    const int32_t weights = group.weight_dtype();
    for (size_t t = 0; t < setup.shapes.size(); ++t) {
      const Shape& shape = setup.shapes[t];
      const int64_t n = shape.length;
      const int64_t flags = (shape.matrix ? GATUN_TENSOR_MATRIX : 0) | (t % 3 != 1 ? GATUN_TENSOR_DECAY : 0);
      TensorData tensor{shape, flags, Buffer(n, weights), Buffer(n, group.gradient_dtype()), {}};
      if (weights != setup.dtype) tensor.master = Buffer(n, GATUN_F32);
      for (size_t s = 0; s < setup.spec.rule_slots(); ++s) tensor.state.emplace_back(n, setup.dtype);
      if (setup.spec.takes_inputs()) give_powers(tensor, t);
      for (size_t s = 0; s < setup.spec.other_scalars; ++s)
        tensor.state.emplace_back(setup.spec.takes_inputs() ? tensor.powers : 1, GATUN_F64);
      for (size_t s = 0; s < setup.spec.averages.size(); ++s) tensor.state.emplace_back(n, setup.dtype);
      for (int64_t i = 0; i < n; ++i) tensor.weight.set(i, random_number(mix(seed + g * 1000003 + t), uint64_t(i)));
      group.tensors.push_back(std::move(tensor));
    }
    groups.push_back(std::move(group));
  }
}

void Problem::make_gradients(int64_t step, bool idle) {
  for (size_t g = 0; g < groups.size(); ++g) {
    for (size_t t = 0; t < groups[g].tensors.size(); ++t) {
      TensorData& tensor = groups[g].tensors[t];
      const uint64_t key = mix(seed_ ^ mix(uint64_t(step) * 65537 + g * 257 + t));
      tensor.idle = idle && key % 5 == 0;
      if (groups[g].spec.takes_inputs()) make_input(tensor, groups[g].dtype, t, key);
      const int64_t row_length = tensor.shape.rows > 0 ? tensor.shape.length / tensor.shape.rows : 0;
      for (int64_t r = 0, i = 0; r < tensor.shape.rows; ++r) {
        const double row_mean =
            tensor.shape.matrix ? double(r % 7) * 0.3 : 0;  // or centring would change next to nothing
        for (const int64_t end = i + row_length; i < end; ++i)
          tensor.gradient.set(i, gradient_magnitude * (row_mean + random_number(key, uint64_t(i))));
      }
    }
  }
}

std::vector<gatun_group> Problem::describe() {
  descriptions_.clear();
  std::vector<gatun_group> described;
  for (GroupData& group : groups) {
    std::vector<gatun_tensor> tensors;
    for (TensorData& tensor : group.tensors) {
      gatun_tensor d{};
      d.weight = tensor.weight.data();
      d.gradient = tensor.idle ? nullptr : tensor.gradient.data();
      d.gradient_dtype = group.gradient_dtype();
      if (group.weight_dtype() != group.dtype) d.master = tensor.master.data();
      d.number = 1000 * int64_t(described.size()) + int64_t(tensors.size());
      for (size_t s = 0; s < tensor.state.size(); ++s) d.state[s] = tensor.state[s].data();
      d.length = tensor.shape.length;
      d.rows = tensor.shape.rows;
      d.flags = tensor.flags;
      d.powers = tensor.powers;
      d.input_groups = tensor.input_groups;
      tensors.push_back(d);
    }
    descriptions_.push_back(std::move(tensors));
    gatun_group d{};
    d.tensors = descriptions_.back().data();
    d.count = int64_t(group.tensors.size());
    d.counters = static_cast<int64_t*>(group.counters.data());
    d.arguments = group.spec.arguments();
    std::copy(group.spec.transforms.begin(), group.spec.transforms.end(), d.transforms);
    std::copy(group.spec.averages.begin(), group.spec.averages.end(), d.averages);
    d.transform_count = int32_t(group.spec.transforms.size());
    d.average_count = int32_t(group.spec.averages.size());
    d.rule = group.spec.rule;
    d.dtype = group.dtype;
    d.weight_dtype = group.weight_dtype();
    d.rounding = group.types.rounding;
    d.seed = group.types.seed;
    described.push_back(d);
  }
  return described;
}

std::vector<unsigned char> Problem::bits() const {
  std::vector<unsigned char> all;
  const auto append = [&](const Buffer& buffer) {
    const auto* bytes = static_cast<const unsigned char*>(buffer.data());
    all.insert(all.end(), bytes, bytes + buffer.bytes());
  };
  for (const GroupData& group : groups) {
    for (const TensorData& tensor : group.tensors) {
      append(tensor.weight);
      append(tensor.master);
      for (const Buffer& state : tensor.state) append(state);
    }
    append(group.counters);
  }
  return all;
}

bool Problem::padding_intact() const {
  for (const GroupData& group : groups) {
    if (!group.counters.padding_intact()) return false;
    for (const TensorData& tensor : group.tensors) {
      if (tensor.input && !tensor.input->padding_intact()) return false;
      if (!tensor.weight.padding_intact() || !tensor.gradient.padding_intact() || !tensor.master.padding_intact())
        return false;
      for (const Buffer& state : tensor.state)
        if (!state.padding_intact()) return false;
    }
  }
  return true;
}

std::vector<double> Problem::learning_rates() const {
  std::vector<double> rates;
  for (const GroupData& group : groups) rates.push_back(group.spec.lr);
  return rates;
}

Session::Session(Problem& problem, int32_t threads, int32_t isa) : problem_(problem) {
  gatun_context_options options{};
  options.backend = GATUN_CPU;
  options.threads = threads;
  options.isa = isa;
  CHECK_OK(gatun_context_create(&options, &context_));
  const std::vector<gatun_group> described = problem.describe();
  if (context_ != nullptr) CHECK_OK(gatun_plan_create(context_, described.data(), int64_t(described.size()), &plan_));
}
Session::~Session() {
  if (plan_ != nullptr) CHECK_OK(gatun_plan_destroy(plan_));
  if (context_ != nullptr) CHECK_OK(gatun_context_destroy(context_));
}
void Session::bind() {
  for (size_t g = 0; g < problem_.groups.size(); ++g) {
    for (size_t t = 0; t < problem_.groups[g].tensors.size(); ++t) {
      TensorData& tensor = problem_.groups[g].tensors[t];
      CHECK_OK(gatun_plan_gradient(plan_, int64_t(g), int64_t(t), tensor.idle ? nullptr : tensor.gradient.data(),
                                   problem_.groups[g].gradient_dtype()));
      if (tensor.input) CHECK_OK(gatun_plan_input(plan_, int64_t(g), int64_t(t), &tensor.fed));
    }
  }
}
gatun_status Session::step(int64_t flags, double gradient_scale) {
  const std::vector<double> rates = problem_.learning_rates();
  const gatun_step_arguments arguments{rates.data(), gradient_scale, flags};
  return gatun_step(plan_, &arguments);
}
gatun_status Session::phases(int64_t flags, double gradient_scale) {
  const std::vector<double> rates = problem_.learning_rates();
  const gatun_step_arguments arguments{rates.data(), gradient_scale, flags};
  gatun_status status = gatun_reduce(plan_, &arguments);
  if (status == GATUN_OK) status = gatun_finalize(plan_, &arguments);
  if (status == GATUN_OK) status = gatun_apply(plan_, &arguments);
  return status;
}
gatun_step_report Session::report() {
  gatun_step_report report{};
  CHECK_OK(gatun_report(plan_, &report));
  return report;
}

}  // namespace test
