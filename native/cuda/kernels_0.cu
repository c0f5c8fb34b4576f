// kernels_0.cu - a share of the rules' kernels; see kernels.cuh.
#include "cuda/kernels.cuh"

template gatun::RuleKernels gatun::kernels_of_part<0>(const gatun_group&);
