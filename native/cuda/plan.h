// plan.h - one optimizer on a CUDA device; what core/backend.h's table has of it.
#pragma once
#include "core/backend.h"

namespace gatun {

int32_t plan_create(GatunCudaContext* context, const gatun_group* groups, int64_t count, const GatunCudaDesign* design,
                    GatunCudaPlan** plan);
int32_t plan_destroy(GatunCudaPlan* plan);
void plan_gradient(GatunCudaPlan* plan, int64_t group, int64_t tensor, void* gradient, int32_t dtype);
int32_t plan_input(GatunCudaPlan* plan, int64_t group, int64_t tensor, const gatun_input* input);
int32_t plan_values(GatunCudaPlan* plan, const gatun_step_arguments* arguments);
int32_t plan_run(GatunCudaPlan* plan, const gatun_step_arguments* arguments, int32_t phases);
int32_t plan_report(GatunCudaPlan* plan, gatun_step_report* report);
int32_t plan_squares(GatunCudaPlan* plan, double* squares);

}  // namespace gatun
