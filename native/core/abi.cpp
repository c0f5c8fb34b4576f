// abi.cpp - the functions of gatun.h. Nothing is thrown past this file: a failure becomes a status and a message.
#include <new>
#include <system_error>

#include "core/context.h"
#include "core/cuda_door.h"
#include "core/error.h"
#include "core/plan.h"

namespace {

using namespace gatun;

// Fixed storage, so that even running out of memory can be told.
thread_local char last_error[1024] = "";
thread_local int32_t last_code = 0;

gatun_status remember(gatun_status status, int32_t code, const char* message) noexcept {
  std::snprintf(last_error, sizeof last_error, "%s", message);
  last_code = code;
  return status;
}

template <class Body>
gatun_status guarded(Body&& body) noexcept {
  try {
    body();
    return GATUN_OK;
  } catch (const Error& e) {
    return remember(e.status, e.code, e.message.c_str());
  } catch (const std::bad_alloc&) {
    return remember(GATUN_OUT_OF_MEMORY, 0, "out of memory for the library's own tables");
  } catch (const std::system_error& e) {  // a thread could not be started
    return remember(GATUN_UNAVAILABLE, e.code().value(), e.what());
  } catch (const std::exception& e) {
    return remember(GATUN_INTERNAL, 0, e.what());
  } catch (...) {
    return remember(GATUN_INTERNAL, 0, "unknown failure");
  }
}

template <class T>
T& required(T* pointer, const char* name) {
  if (pointer == nullptr) fail(GATUN_INVALID_ARGUMENT, "%s is null", name);
  return *pointer;
}

const gatun_step_arguments& checked(const gatun_step_arguments* arguments) {
  required(arguments, "arguments");
  required(arguments->lr, "arguments.lr");
  if ((arguments->flags & ~int64_t(GATUN_CHECK_FINITE | GATUN_ZERO_GRADIENTS)) != 0)
    fail(GATUN_INVALID_ARGUMENT, "flags: %lld has bits that are no gatun_step_flag", (long long)arguments->flags);
  return *arguments;
}

using Phase = gatun_plan::Phase;

// Phases come in order and with the same flags: apply would otherwise use coefficients that nobody has worked out.
void check_no_step_is_open(const gatun_plan& plan) {
  if (plan.phase == Phase::kFinalized)
    fail(GATUN_INVALID_ARGUMENT, "gatun_finalize has counted this step: call gatun_apply before anything else");
}

void reduce(gatun_plan& plan, const gatun_step_arguments& arguments) {
  check_no_step_is_open(plan);
  plan.phase = Phase::kNone;
  plan.reduce(arguments);
  plan.phase = Phase::kReduced;
  plan.flags = arguments.flags;
}

void check_phase(const gatun_plan& plan, const gatun_step_arguments& arguments, Phase phase, const char* former) {
  if (plan.phase != phase) fail(GATUN_INVALID_ARGUMENT, "phases out of order: call %s first", former);
  if (plan.flags != arguments.flags)
    fail(GATUN_INVALID_ARGUMENT,
         "flags: %lld, but gatun_reduce was called with %lld; a step has the same in all phases",
         (long long)arguments.flags, (long long)plan.flags);
}

void finalize(gatun_plan& plan, const gatun_step_arguments& arguments) {
  check_phase(plan, arguments, Phase::kReduced, "gatun_reduce");
  plan.phase = Phase::kNone;
  plan.finalize(arguments);
  plan.phase = Phase::kFinalized;
}

void apply(gatun_plan& plan, const gatun_step_arguments& arguments) {
  check_phase(plan, arguments, Phase::kFinalized, "gatun_finalize");
  plan.apply(arguments);
  plan.phase = Phase::kNone;
}

}  // namespace

extern "C" {

int32_t gatun_abi_version(void) { return GATUN_ABI_VERSION; }
const char* gatun_version(void) { return GATUN_VERSION; }
const char* gatun_last_error(void) { return last_error; }
int32_t gatun_last_code(void) { return last_code; }

gatun_status gatun_cuda_open(const char* path) {
  return guarded([&] { cuda_open(&required(path, "path")); });
}
gatun_status gatun_cuda_device_count(int32_t* count) {
  return guarded([&] { cuda_check(cuda_backend()->device_count(&required(count, "count")), "counting CUDA devices"); });
}
gatun_status gatun_cuda_versions(int32_t* driver, int32_t* runtime) {
  return guarded([&] {
    cuda_check(cuda_backend()->versions(&required(driver, "driver"), &required(runtime, "runtime")),
               "asking CUDA's versions");
  });
}
int32_t gatun_cpu_best_isa(void) { return best_isa(); }

gatun_status gatun_context_create(const gatun_context_options* options, gatun_context** context) {
  return guarded([&] {
    required(context, "context");  // by itself: an assignment evaluates its right side first
    *context = new gatun_context(required(options, "options"));
  });
}
gatun_status gatun_context_destroy(gatun_context* context) {
  return guarded([&] { delete context; });
}
gatun_status gatun_context_info(gatun_context* context, gatun_device_info* info) {
  return guarded([&] { required(info, "info") = required(context, "context").info(); });
}
gatun_status gatun_context_synchronize(gatun_context* context) {
  return guarded([&] { required(context, "context").synchronize(); });
}

gatun_status gatun_memory_allocate(gatun_context* context, int64_t bytes, int32_t pinned, void** memory) {
  return guarded([&] {
    required(memory, "memory");
    *memory = required(context, "context").allocate(bytes, pinned != 0);
  });
}
gatun_status gatun_memory_free(gatun_context* context, void* memory, int32_t pinned) {
  return guarded([&] { required(context, "context").free(memory, pinned != 0); });
}
gatun_status gatun_memory_copy(gatun_context* context, void* destination, const void* source, int64_t bytes) {
  return guarded([&] { required(context, "context").copy(destination, source, bytes); });
}

gatun_status gatun_plan_create(gatun_context* context, const gatun_group* groups, int64_t count, gatun_plan** plan) {
  return guarded([&] {
    required(plan, "plan");
    required(context, "context");
    check_groups(groups, count);
    *plan = (context->backend == GATUN_CUDA ? make_cuda_plan : make_cpu_plan)(*context, groups, count).release();
  });
}
gatun_status gatun_plan_destroy(gatun_plan* plan) {
  return guarded([&] { delete plan; });
}
gatun_status gatun_plan_gradient(gatun_plan* plan, int64_t group, int64_t tensor, void* gradient, int32_t dtype) {
  return guarded([&] {
    const std::lock_guard<std::mutex> guard(required(plan, "plan").context.lock);
    check_no_step_is_open(*plan);
    plan->gradient(group, tensor, gradient, dtype);
    plan->phase = Phase::kNone;  // sums of the former gradients are of no use
  });
}
gatun_status gatun_plan_input(gatun_plan* plan, int64_t group, int64_t tensor, const gatun_input* input) {
  return guarded([&] {
    const std::lock_guard<std::mutex> guard(required(plan, "plan").context.lock);
    check_no_step_is_open(*plan);
    plan->input(group, tensor, input);
    plan->phase = Phase::kNone;
  });
}

gatun_status gatun_step(gatun_plan* plan, const gatun_step_arguments* arguments) {
  return guarded([&] {
    const gatun_step_arguments& a = checked(arguments);
    const std::lock_guard<std::mutex> guard(required(plan, "plan").context.lock);
    check_no_step_is_open(*plan);
    plan->phase = Phase::kNone;
    plan->step(a);
  });
}
gatun_status gatun_reduce(gatun_plan* plan, const gatun_step_arguments* arguments) {
  return guarded([&] {
    const std::lock_guard<std::mutex> guard(required(plan, "plan").context.lock);
    reduce(*plan, checked(arguments));
  });
}
gatun_status gatun_finalize(gatun_plan* plan, const gatun_step_arguments* arguments) {
  return guarded([&] {
    const std::lock_guard<std::mutex> guard(required(plan, "plan").context.lock);
    finalize(*plan, checked(arguments));
  });
}
gatun_status gatun_apply(gatun_plan* plan, const gatun_step_arguments* arguments) {
  return guarded([&] {
    const std::lock_guard<std::mutex> guard(required(plan, "plan").context.lock);
    apply(*plan, checked(arguments));
  });
}
gatun_status gatun_plan_values(gatun_plan* plan, const gatun_step_arguments* arguments) {
  return guarded([&] {
    const gatun_step_arguments& a = checked(arguments);
    const std::lock_guard<std::mutex> guard(required(plan, "plan").context.lock);
    plan->values(a);
  });
}
gatun_status gatun_report(gatun_plan* plan, gatun_step_report* report) {
  return guarded([&] {
    const std::lock_guard<std::mutex> guard(required(plan, "plan").context.lock);
    required(report, "report") = plan->report();
  });
}
gatun_status gatun_gradient_norms(gatun_plan* plan, double* norms) {
  return guarded([&] {
    const std::lock_guard<std::mutex> guard(required(plan, "plan").context.lock);
    plan->gradient_norms(&required(norms, "norms"));
  });
}

gatun_status gatun_traffic(gatun_context* context, void* const* arrays, int32_t count, int32_t written, int64_t length,
                           int32_t dtype) {
  return guarded(
      [&] { required(context, "context").traffic(&required(arrays, "arrays"), count, written, length, dtype); });
}

}  // extern "C"
