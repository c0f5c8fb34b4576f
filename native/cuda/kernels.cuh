// kernels.cuh - every kernel, and which one a group of tensors takes.
#pragma once
#include "cuda/apply.cuh"
#include "cuda/reduce.cuh"

namespace gatun {

using Kernel = void (*)(Tables);

template <class R, class T, int variant = 0>
Kernel find_apply(int32_t wanted) {
  if constexpr (variant == R::kVariants) {
    return nullptr;
  } else {
    return wanted == variant ? &k_apply<R, variant, T> : find_apply<R, T, variant + 1>(wanted);
  }
}

// k_apply for a group's rule, the variant that its arguments ask for, and its type.
inline Kernel apply_kernel(const gatun_group& group) {
  return visit_rule(group.rule, [&](auto r) {
    using R = decltype(r);
    if constexpr (kHasSums<R>) {
      return Kernel(nullptr);
    } else {
      const int32_t variant = R::variant(*static_cast<const typename R::Arguments*>(group.arguments));
      return group.dtype == GATUN_F64 ? find_apply<R, double>(variant) : find_apply<R, float>(variant);
    }
  });
}

}  // namespace gatun
