// kernels.h - which kernels a group of tensors takes.
#pragma once
#include "cuda/tables.h"

namespace gatun {

using Kernel = void (*)(Tables);

// What a group of tensors is updated with, what its rule's sums are taken with (null where it needs none), and both in
// one launch (null where it is not to be).
struct RuleKernels {
  Kernel apply, sums, fused;
};

constexpr int kKernelParts = 4;  // sources that are compiled side by side

// For a group's rule, the variant that its arguments ask for, and its type; nothing if its rule is in another part.
template <int part>
RuleKernels kernels_of_part(const gatun_group& group);

template <int part = 0>
RuleKernels kernels_of(const gatun_group& group) {
  if constexpr (part + 1 < kKernelParts)
    if (group.rule % kKernelParts != part) return kernels_of<part + 1>(group);
  return kernels_of_part<part>(group);
}

}  // namespace gatun
