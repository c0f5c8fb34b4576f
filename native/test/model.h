// model.h - what a step must do, in double precision and unfused: ALGORITHMS.md sections 1, 2 and 7 as they are
// written. It knows nothing of chunks, coefficients or phases, so it shares no mistake with the library.
#pragma once
#include <cstdint>
#include <vector>

#include "problem.h"

namespace test {

struct ModelTensor {
  Shape shape;
  bool decay;
  int32_t dtype;
  std::vector<double> weight;
  std::vector<std::vector<double>> state;
  int64_t steps = 0;
};

struct ModelGroup {
  Spec spec;
  std::vector<ModelTensor> tensors;
  int64_t steps = 0;
};

class Model {
 public:
  explicit Model(const Problem& problem);                    // starts from its weights
  void step(const Problem& problem, double gradient_scale);  // reads its gradients and learning rates

  std::vector<ModelGroup> groups;
  double gradient_norm = 0;  // of the last step
};

// The largest |a - b| over `largest`, the largest |b| so far, which this call brings up to date; NaN if there is one.
double error(const Buffer& a, const std::vector<double>& b, double& largest);

}  // namespace test
