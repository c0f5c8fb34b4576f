// optimizers.h - the optimizers that are compared and timed on large lists: every rule once in its usual form, the
// layer-wise ones with the names of their specification strings.
#pragma once
#include <string>
#include <vector>

#include "problem.h"

namespace bench {

// Those whose name contains `only`; the first is AdamW, which the others' times are compared with.
std::vector<test::Spec> optimizers(const std::string& only);

// What a step must move at the least: every array read once and, but for the gradient, written once. Slow weights,
// which move at every k-th step only, are not among them.
int64_t bytes_per_parameter(const test::Spec& spec, int32_t dtype);

}  // namespace bench
