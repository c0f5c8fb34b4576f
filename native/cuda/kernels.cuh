// kernels.cuh - the rules' kernels, and which ones a group of tensors takes. They are most of what there is to compile,
// so the sources kernels_0.cu, kernels_1.cu, ... each have the rules whose number modulo kKernelParts is theirs.
#pragma once
#include <type_traits>

#include "cuda/fused.cuh"
#include "cuda/kernels.h"

namespace gatun {

template <class R, class T, int variant = 0>
RuleKernels find_kernels(int32_t wanted) {
  if constexpr (variant == R::kVariants) {
    return {};
  } else {
    if (wanted != variant) return find_kernels<R, T, variant + 1>(wanted);
    RuleKernels kernels{&k_apply<R, variant, T>, nullptr, nullptr};
    if constexpr (R::sums(variant) > 0) kernels.sums = &k_rule_sums<R, variant, T>;
    // Nobody trains in double for speed: as much again to compile and to carry along.
    if constexpr (std::is_same_v<T, float> && !R::kRows && !R::kInputs) kernels.fused = &k_fused<R, variant, T>;
    return kernels;
  }
}

template <int number>
std::integral_constant<int, number> number_of(Rule<number>);

template <int part>
RuleKernels kernels_of_part(const gatun_group& group) {
  return visit_rule(group.rule, [&](auto r) -> RuleKernels {
    using R = decltype(r);
    if constexpr (R::kOnCuda && decltype(number_of(r))::value % kKernelParts == part) {
      const int32_t variant = R::variant(*static_cast<const typename R::Arguments*>(group.arguments));
      return group.dtype == GATUN_F64 ? find_kernels<R, double>(variant) : find_kernels<R, float>(variant);
    } else {
      return {};  // another part has it, or core/cuda_plan.cpp has refused it
    }
  });
}

}  // namespace gatun
