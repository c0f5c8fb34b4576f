// kernels.cuh - every kernel, and which one a group of tensors takes.
#pragma once
#include "cuda/apply.cuh"
#include "cuda/rule_sums.cuh"

namespace gatun {

using Kernel = void (*)(Tables);

// What a group of tensors is updated with, and what its rule's sums are taken with: null where it needs none.
struct RuleKernels {
  Kernel apply, sums;
};

template <class R, class T, int variant = 0>
RuleKernels find_kernels(int32_t wanted) {
  if constexpr (variant == R::kVariants) {
    return {};
  } else {
    if (wanted != variant) return find_kernels<R, T, variant + 1>(wanted);
    RuleKernels kernels{&k_apply<R, variant, T>, nullptr};
    if constexpr (R::sums(variant) > 0) kernels.sums = &k_rule_sums<R, variant, T>;
    return kernels;
  }
}

// For a group's rule, the variant that its arguments ask for, and its type.
inline RuleKernels kernels_of(const gatun_group& group) {
  return visit_rule(group.rule, [&](auto r) -> RuleKernels {
    using R = decltype(r);
    if constexpr (R::kOnCuda) {
      const int32_t variant = R::variant(*static_cast<const typename R::Arguments*>(group.arguments));
      return group.dtype == GATUN_F64 ? find_kernels<R, double>(variant) : find_kernels<R, float>(variant);
    } else {
      return {};  // core/cuda_plan.cpp has refused it
    }
  });
}

}  // namespace gatun
