// dispatch.cpp - which instruction set's kernels to use. GCC's __builtin_cpu_supports also asks the operating system
// (XGETBV) whether it saves the registers.
#include "cpu/kernels.h"

namespace gatun {

namespace scalar {
const Kernels* table(int32_t dtype);
}
namespace avx2 {
const Kernels* table(int32_t dtype);
}
namespace avx512 {
const Kernels* table(int32_t dtype);
}

int32_t best_isa() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma"))
    return GATUN_ISA_AVX512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return GATUN_ISA_AVX2;
  return GATUN_ISA_SCALAR;
}

const Kernels* kernels(int32_t isa, int32_t dtype) {
  switch (isa) {
    case GATUN_ISA_AVX512:
      return avx512::table(dtype);
    case GATUN_ISA_AVX2:
      return avx2::table(dtype);
    case GATUN_ISA_SCALAR:
      return scalar::table(dtype);
    default:
      return nullptr;
  }
}

}  // namespace gatun
