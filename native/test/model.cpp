#include "model.h"

#include <algorithm>
#include <cmath>

namespace test {

namespace {

using Values = std::vector<double>;

long double sum_of_squares(const Values& values) {
  long double sum = 0;
  for (const double x : values) sum += static_cast<long double>(x) * x;
  return sum;
}

// SING: minus the mean of each row, over the norm of the tensor plus eps.
void standardize(Values& g, const Shape& shape, const gatun_transform& transform) {
  if (transform.center && shape.matrix && shape.length > 0) {
    const int64_t n = shape.length / shape.rows;
    for (int64_t r = 0; r < shape.rows; ++r) {
      long double sum = 0;
      for (int64_t i = 0; i < n; ++i) sum += g[size_t(r * n + i)];
      const double mean = double(sum / n);
      for (int64_t i = 0; i < n; ++i) g[size_t(r * n + i)] -= mean;
    }
  }
  if (transform.normalize) {
    const double norm = double(std::sqrt(sum_of_squares(g)));
    for (double& x : g) x = x / (norm + transform.value);
  }
}

struct Decay {
  double l2, factor;
};
Decay decay_of(const ModelTensor& tensor, double lr, double weight_decay, int32_t form) {
  if (!tensor.decay) return {0, 1};
  if (form == GATUN_DECAY_L2) return {weight_decay, 1};
  return {0, form == GATUN_DECAY_FIXED ? 1 - weight_decay : 1 - lr * weight_decay};
}

void sgd_step(ModelTensor& tensor, const Values& gradient, const gatun_sgd& a, double lr) {
  const Decay decay = decay_of(tensor, lr, a.weight_decay, a.decay);
  for (size_t i = 0; i < gradient.size(); ++i) {
    double& w = tensor.weight[i];
    const double g = gradient[i] + decay.l2 * w;
    double u = g;
    if (a.momentum != 0) {
      double& b = tensor.state[0][i];
      b = tensor.steps == 1 ? g : a.momentum * b + (1 - a.dampening) * g;
      u = a.nesterov ? g + a.momentum * b : b;
    }
    w = w * decay.factor - lr * u;
  }
}

double softplus(double x, double beta) { return beta * x > 20 ? x : std::log1p(std::exp(beta * x)) / beta; }

void adam_step(ModelTensor& tensor, const Values& gradient, const gatun_adam& a, double lr) {
  const Decay decay = decay_of(tensor, lr, a.weight_decay, a.decay);
  const double bc1 = 1 - std::pow(a.beta1, double(tensor.steps));
  const double bc2 = 1 - std::pow(a.beta2, double(tensor.steps));
  for (size_t i = 0; i < gradient.size(); ++i) {
    double& w = tensor.weight[i];
    double &m = tensor.state[0][i], &v = tensor.state[1][i];
    const double g = gradient[i] + decay.l2 * w;
    m = a.beta1 * m + (1 - a.beta1) * g;
    v = a.beta2 * v + (1 - a.beta2) * g * g;
    double second = v;
    if (a.amsgrad) second = tensor.state[2][i] = std::max(tensor.state[2][i], v);
    const double root = std::sqrt(second) / std::sqrt(bc2);
    const double d = a.softplus > 0 ? softplus(root, a.softplus) : root + a.eps;
    w = w * decay.factor - (lr / bc1) * m / d;
  }
}

// After the rule; `worked` says whether the tensor had a gradient.
void average(ModelTensor& tensor, const gatun_average& a, Values& memory, int64_t group_step, bool worked) {
  if (a.skip_idle && !worked) return;
  if (a.kind != GATUN_LOOKAHEAD) {
    double tau = a.value;
    if (a.kind == GATUN_EMA_BYOL) {
      const double done = double(std::min(group_step - 1, a.k)) / double(a.k);
      tau = 1 - (1 - tau) * (std::cos(std::acos(-1.0) * done) + 1) / 2;
    }
    for (size_t i = 0; i < memory.size(); ++i) memory[i] = tau * memory[i] + (1 - tau) * tensor.weight[i];
  } else if (group_step % a.k == 0) {
    for (size_t i = 0; i < memory.size(); ++i) {
      tensor.weight[i] = a.value * tensor.weight[i] + (1 - a.value) * memory[i];
      memory[i] = tensor.weight[i];
    }
  }
}

}  // namespace

Model::Model(const Problem& problem) {
  for (const GroupData& group : problem.groups) {
    ModelGroup model{group.spec, {}};
    for (const TensorData& tensor : group.tensors) {
      ModelTensor copy{tensor.shape, (tensor.flags & GATUN_TENSOR_DECAY) != 0, group.dtype, {}, {}};
      for (int64_t i = 0; i < tensor.shape.length; ++i) copy.weight.push_back(tensor.weight.get(i));
      copy.state.assign(tensor.state.size(), Values(size_t(tensor.shape.length), 0.0));
      model.tensors.push_back(std::move(copy));
    }
    groups.push_back(std::move(model));
  }
}

void Model::step(const Problem& problem, double gradient_scale) {
  // 1. the loss scale leaves the gradients
  std::vector<std::vector<Values>> gradients(groups.size());
  long double squares = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    gradients[g].resize(groups[g].tensors.size());
    for (size_t t = 0; t < groups[g].tensors.size(); ++t) {
      const TensorData& tensor = problem.groups[g].tensors[t];
      if (tensor.idle) continue;
      Values& values = gradients[g][t];
      values.reserve(size_t(tensor.shape.length));
      for (int64_t i = 0; i < tensor.shape.length; ++i) values.push_back(tensor.gradient.get(i) * gradient_scale);
      squares += sum_of_squares(values);
    }
  }
  gradient_norm = double(std::sqrt(squares));

  // 2. transformations, the outermost first; a clip looks at all tensors of all groups that clip at the same depth
  for (size_t depth = 0; depth < GATUN_MAX_TRANSFORMS; ++depth) {
    long double clipped = 0;
    for (size_t g = 0; g < groups.size(); ++g) {
      const auto& transforms = groups[g].spec.transforms;
      if (depth >= transforms.size()) continue;
      for (size_t t = 0; t < gradients[g].size(); ++t) {
        if (transforms[depth].kind == GATUN_CLIP) {
          clipped += sum_of_squares(gradients[g][t]);
        } else if (!problem.groups[g].tensors[t].idle) {
          standardize(gradients[g][t], groups[g].tensors[t].shape, transforms[depth]);
        }
      }
    }
    for (size_t g = 0; g < groups.size(); ++g) {
      const auto& transforms = groups[g].spec.transforms;
      if (depth >= transforms.size() || transforms[depth].kind != GATUN_CLIP) continue;
      const double factor = std::min(1.0, transforms[depth].value / double(std::sqrt(clipped)));
      for (Values& values : gradients[g])
        for (double& x : values) x *= factor;
    }
  }

  // 3. the rule, 4. the averages
  for (size_t g = 0; g < groups.size(); ++g) {
    ModelGroup& group = groups[g];
    const double lr = problem.groups[g].spec.lr;
    ++group.steps;
    for (size_t t = 0; t < group.tensors.size(); ++t) {
      ModelTensor& tensor = group.tensors[t];
      const bool worked = !problem.groups[g].tensors[t].idle;
      const size_t first_average = group.spec.rule_slots();
      if (worked) ++tensor.steps;
      for (size_t a = 0; a < group.spec.averages.size(); ++a) {
        const bool starts = group.spec.averages[a].skip_idle ? worked && tensor.steps == 1 : group.steps == 1;
        if (starts) tensor.state[first_average + a] = tensor.weight;
      }
      if (worked && group.spec.rule == GATUN_RULE_SGD) sgd_step(tensor, gradients[g][t], group.spec.sgd, lr);
      if (worked && group.spec.rule == GATUN_RULE_ADAM) adam_step(tensor, gradients[g][t], group.spec.adam, lr);
      for (size_t a = 0; a < group.spec.averages.size(); ++a)
        average(tensor, group.spec.averages[a], tensor.state[first_average + a], group.steps, worked);
    }
  }
}

double error(const Buffer& a, const std::vector<double>& b, double& largest) {
  double worst = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    const double difference = std::fabs(a.get(int64_t(i)) - b[i]);
    if (std::isnan(difference)) return difference;
    worst = std::max(worst, difference);
    largest = std::max(largest, std::fabs(b[i]));
  }
  return largest > 0 ? worst / largest : worst;
}

}  // namespace test
