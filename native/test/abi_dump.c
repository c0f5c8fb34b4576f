/*
 * Prints gatun.h as the C compiler sees it: size, alignment and fields of every struct, value of every constant. The
 * layout test of the bindings compares each line with what jextract generated, and fails for whatever is not listed
 * here.
 */
#include <stddef.h>
#include <stdio.h>

#include "gatun.h"

/* A number and an address of the same size are told apart; arrays and nested structs are "other". */
#define KIND(member) \
  _Generic((member), double: "f64", int32_t: "i32", int64_t: "i64", void *: "pointer", const void *: "pointer", \
           int64_t *: "pointer", const double *: "pointer", const gatun_tensor *: "pointer", default: "other")

#define STRUCT(type) printf("struct %s %zu %zu\n", #type, sizeof(type), _Alignof(type))
#define FIELD(type, member)                                                                              \
  printf("field %s.%s %zu %zu %s\n", #type, #member, offsetof(type, member), sizeof(((type*)0)->member), \
         KIND(((type*)0)->member))
#define CONSTANT(name) printf("constant %s %lld\n", #name, (long long)(name))

int main(void) {
  STRUCT(gatun_sgd);
  FIELD(gatun_sgd, momentum);
  FIELD(gatun_sgd, dampening);
  FIELD(gatun_sgd, weight_decay);
  FIELD(gatun_sgd, decay);
  FIELD(gatun_sgd, nesterov);
  STRUCT(gatun_adam);
  FIELD(gatun_adam, beta1);
  FIELD(gatun_adam, beta2);
  FIELD(gatun_adam, eps);
  FIELD(gatun_adam, weight_decay);
  FIELD(gatun_adam, softplus);
  FIELD(gatun_adam, decay);
  FIELD(gatun_adam, amsgrad);
  STRUCT(gatun_transform);
  FIELD(gatun_transform, value);
  FIELD(gatun_transform, kind);
  FIELD(gatun_transform, center);
  FIELD(gatun_transform, normalize);
  FIELD(gatun_transform, reserved);
  STRUCT(gatun_average);
  FIELD(gatun_average, value);
  FIELD(gatun_average, k);
  FIELD(gatun_average, kind);
  FIELD(gatun_average, skip_idle);
  STRUCT(gatun_tensor);
  FIELD(gatun_tensor, weight);
  FIELD(gatun_tensor, gradient);
  FIELD(gatun_tensor, state);
  FIELD(gatun_tensor, length);
  FIELD(gatun_tensor, rows);
  FIELD(gatun_tensor, flags);
  STRUCT(gatun_group);
  FIELD(gatun_group, tensors);
  FIELD(gatun_group, count);
  FIELD(gatun_group, counters);
  FIELD(gatun_group, arguments);
  FIELD(gatun_group, transforms);
  FIELD(gatun_group, averages);
  FIELD(gatun_group, transform_count);
  FIELD(gatun_group, average_count);
  FIELD(gatun_group, rule);
  FIELD(gatun_group, dtype);
  STRUCT(gatun_step_arguments);
  FIELD(gatun_step_arguments, lr);
  FIELD(gatun_step_arguments, gradient_scale);
  FIELD(gatun_step_arguments, flags);
  STRUCT(gatun_step_report);
  FIELD(gatun_step_report, gradient_norm);
  FIELD(gatun_step_report, skipped);
  FIELD(gatun_step_report, skipped_group);
  FIELD(gatun_step_report, skipped_tensor);
  STRUCT(gatun_context_options);
  FIELD(gatun_context_options, stream);
  FIELD(gatun_context_options, backend);
  FIELD(gatun_context_options, ordinal);
  FIELD(gatun_context_options, threads);
  FIELD(gatun_context_options, isa);
  STRUCT(gatun_device_info);
  FIELD(gatun_device_info, memory_bytes);
  FIELD(gatun_device_info, threads);
  FIELD(gatun_device_info, isa);
  FIELD(gatun_device_info, name);
  CONSTANT(GATUN_ABI_VERSION);
  CONSTANT(GATUN_MAX_STATE);
  CONSTANT(GATUN_MAX_TRANSFORMS);
  CONSTANT(GATUN_MAX_AVERAGES);
  CONSTANT(GATUN_OK);
  CONSTANT(GATUN_INVALID_ARGUMENT);
  CONSTANT(GATUN_OUT_OF_MEMORY);
  CONSTANT(GATUN_UNAVAILABLE);
  CONSTANT(GATUN_CUDA_ERROR);
  CONSTANT(GATUN_INTERNAL);
  CONSTANT(GATUN_CPU);
  CONSTANT(GATUN_CUDA);
  CONSTANT(GATUN_ISA_AUTO);
  CONSTANT(GATUN_ISA_SCALAR);
  CONSTANT(GATUN_ISA_AVX2);
  CONSTANT(GATUN_ISA_AVX512);
  CONSTANT(GATUN_F32);
  CONSTANT(GATUN_F64);
  CONSTANT(GATUN_DECAY_L2);
  CONSTANT(GATUN_DECAY_DECOUPLED);
  CONSTANT(GATUN_DECAY_FIXED);
  CONSTANT(GATUN_RULE_SGD);
  CONSTANT(GATUN_RULE_ADAM);
  CONSTANT(GATUN_CLIP);
  CONSTANT(GATUN_STANDARDIZE);
  CONSTANT(GATUN_LOOKAHEAD);
  CONSTANT(GATUN_EMA);
  CONSTANT(GATUN_TENSOR_MATRIX);
  CONSTANT(GATUN_TENSOR_DECAY);
  CONSTANT(GATUN_CHECK_FINITE);
  CONSTANT(GATUN_ZERO_GRADIENTS);
  return 0;
}
