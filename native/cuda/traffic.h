// traffic.h - memory moved as a step moves it; what core/backend.h's table has of it.
#pragma once
#include "core/backend.h"

namespace gatun {

int32_t traffic(GatunCudaContext* context, void* const* arrays, int32_t count, int32_t written, int64_t words);

}  // namespace gatun
