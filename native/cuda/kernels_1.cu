// kernels_1.cu - a share of the rules' kernels; see kernels.cuh.
#include "cuda/kernels.cuh"

template gatun::RuleKernels gatun::kernels_of_part<1>(const gatun_group&);
