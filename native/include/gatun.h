/*
 * gatun.h - the whole C ABI of Gatun.
 *
 * The library is stateless about training: weights, gradients, optimizer state and step counters belong to the caller,
 * who passes their addresses. The library owns contexts (a device, its threads or its stream) and plans (the tables
 * that describe one optimizer's tensors to a device).
 *
 * Every function returns a gatun_status, except the few that cannot fail. None prints, exits, throws or calls back.
 * After a failure gatun_last_error() has the reason, per thread. Sizes are in elements unless a name says bytes.
 *
 * The Java bindings are generated from this file by bindings/regenerate.sh. For its sake: named structs only,
 * fixed-width integers, (void) for no parameters, and no header but stdint.h.
 */
#ifndef GATUN_H
#define GATUN_H

#include <stdint.h>

#if defined(GATUN_BUILD)
#define GATUN_API __attribute__((visibility("default")))
#else
#define GATUN_API
#endif

#define GATUN_ABI_VERSION 1
#define GATUN_MAX_STATE 8      /* state tensors of one parameter, those of the averages included */
#define GATUN_MAX_TRANSFORMS 4 /* gradient transformations of one group */
#define GATUN_MAX_AVERAGES 4   /* weight averages of one group */

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gatun_status {
  GATUN_OK = 0,
  GATUN_INVALID_ARGUMENT = 1,
  GATUN_OUT_OF_MEMORY = 2,
  GATUN_UNAVAILABLE = 3, /* no such backend, device or driver here; the message says why */
  GATUN_CUDA_ERROR = 4,  /* gatun_last_code() is the cudaError_t */
  GATUN_INTERNAL = 5
} gatun_status;

typedef enum gatun_backend { GATUN_CPU = 0, GATUN_CUDA = 1 } gatun_backend;

typedef enum gatun_isa { GATUN_ISA_AUTO = 0, GATUN_ISA_SCALAR = 1, GATUN_ISA_AVX2 = 2, GATUN_ISA_AVX512 = 3 } gatun_isa;

/* BF16 and F16 are for weights and gradients only; what is computed and kept is then F32. */
typedef enum gatun_dtype { GATUN_F32 = 0, GATUN_F64 = 1, GATUN_BF16 = 2, GATUN_F16 = 3 } gatun_dtype;

/* How an F32 master becomes a BF16 or F16 weight: to the nearest, ties to even, or up or down by chance, so that the
   mean is the master. */
typedef enum gatun_rounding { GATUN_NEAREST = 0, GATUN_STOCHASTIC = 1 } gatun_rounding;

/* How weight decay enters: in the gradient, as w * (1 - lr * decay), as w * (1 - decay). */
typedef enum gatun_decay { GATUN_DECAY_L2 = 0, GATUN_DECAY_DECOUPLED = 1, GATUN_DECAY_FIXED = 2 } gatun_decay;

/*
 * The registry of update rules: RULE(number, CONSTANT, name, the fields of its arguments).
 * A line stamps the constant GATUN_RULE_<CONSTANT> and the struct gatun_<name>; native/rules/<name>.h has the
 * arithmetic. Numbers and fields are part of the ABI: append, never reorder. The learning rate is not among them: it
 * comes with a step.
 */
#define GATUN_RULES(RULE)                                                                                             \
  RULE(0, SGD, sgd, double momentum; double dampening; double weight_decay; int32_t decay; int32_t nesterov;)         \
  RULE(1, ADAM, adam, double beta1; double beta2; double eps; double weight_decay; double softplus; int32_t decay;    \
       int32_t amsgrad;)                                                                                              \
  RULE(2, ADABELIEF, adabelief, double beta1; double beta2; double eps; double weight_decay; int32_t decay;           \
       int32_t rectify; int32_t degenerate_to_sgd; int32_t amsgrad;)                                                  \
  RULE(3, RADAM, radam, double beta1; double beta2; double eps; double weight_decay; int32_t degenerate_to_sgd;       \
       int32_t reserved;)                                                                                             \
  RULE(4, PNM, pnm, double beta1; double beta0; double weight_decay; int32_t decay; int32_t reserved;)                \
  RULE(5, ADAPNM, adapnm, double beta1; double beta2; double beta0; double eps; double weight_decay; int32_t decay;   \
       int32_t amsgrad;)                                                                                              \
  RULE(6, AIDA, aida, double beta1; double beta2; double eps; double weight_decay; double xi; int64_t k;              \
       int32_t decay; int32_t outer_eps;)                                                                             \
  RULE(7, LADAM, ladam, double beta1; double beta2; double eps; double weight_decay; int32_t decay; int32_t post;)    \
  RULE(8, LADABELIEF, ladabelief, double beta1; double beta2; double eps; double weight_decay; int32_t decay;         \
       int32_t post;)                                                                                                 \
  RULE(9, ADAL, adal, double beta1; double beta2; double eps; double weight_decay; int32_t decay; int32_t sqrt_decay; \
       int32_t literal; int32_t global;)                                                                              \
  RULE(10, LAMB, lamb, double beta1; double beta2; double eps; double weight_decay; int32_t always_adapt;             \
       int32_t trust_clip;)                                                                                           \
  RULE(11, LARS, lars, double momentum; double weight_decay; double eta; double eps; int32_t nesterov; int32_t byol;  \
       int32_t clip; int32_t reserved;)                                                                               \
  RULE(12, GENERIC_ADAM, generic_adam, double beta1; double r; double eps;)                                           \
  RULE(13, ADAMP, adamp, double beta1; double beta2; double eps; double weight_decay; double delta; double wd_ratio;  \
       int32_t nesterov; int32_t reserved;)                                                                           \
  RULE(14, SGDP, sgdp, double momentum; double dampening; double weight_decay; double eps; double delta;              \
       double wd_ratio; int32_t nesterov; int32_t reserved;)                                                          \
  RULE(15, NSGD, nsgd, double momentum; double dampening; double weight_decay; double eps; double input_beta;         \
       int32_t nesterov; int32_t l1; int32_t log; int32_t pre;)

#define GATUN_RULE_CONSTANT(number, constant, name, fields) GATUN_RULE_##constant = number,
typedef enum gatun_rule { GATUN_RULES(GATUN_RULE_CONSTANT) } gatun_rule;

#define GATUN_RULE_ARGUMENTS(number, constant, name, fields) \
  typedef struct gatun_##name {                              \
    fields                                                   \
  } gatun_##name;
GATUN_RULES(GATUN_RULE_ARGUMENTS)

/* What happens to a gradient before its rule sees it; a group lists its transformations from the outermost inwards. */
typedef enum gatun_transform_kind {
  GATUN_CLIP = 0,       /* times min(1, value / norm), norm over every tensor of every group that clips */
  GATUN_STANDARDIZE = 1 /* SING: minus the row means (center), over the tensor's norm + value (normalize) */
} gatun_transform_kind;

typedef struct gatun_transform {
  double value; /* clip: the largest norm, > 0; standardize: eps */
  int32_t kind;
  int32_t center;
  int32_t normalize;
  int32_t reserved;
} gatun_transform;

/* What happens to a weight after its rule moved it; a group lists its averages from the innermost outwards. */
typedef enum gatun_average_kind {
  GATUN_LOOKAHEAD = 0, /* every k-th step of the group: slow += value * (w - slow), w = slow */
  GATUN_EMA = 1,       /* every step: average += (1 - value) * (w - average) */
  GATUN_EMA_BYOL = 2   /* the same, and 1 - value goes to 0 along half a cosine over the group's first k steps */
} gatun_average_kind;

typedef struct gatun_average {
  double value; /* lookahead: alpha; ema: tau, BYOL's at the first step */
  int64_t k;    /* lookahead: steps between synchronizations; BYOL's ema: steps of the schedule */
  int32_t kind;
  int32_t skip_idle; /* 1: a tensor without a gradient at a synchronization is left out, and starts its slow weights at
                        its own first step (SING's look-ahead); 0: all tensors, from the group's first step */
} gatun_average;

typedef enum gatun_tensor_flag {
  GATUN_TENSOR_MATRIX = 1, /* two or more dimensions: SING centres its rows */
  GATUN_TENSOR_DECAY = 2   /* weight decay applies */
} gatun_tensor_flag;

typedef struct gatun_tensor {
  void* weight;
  void* gradient; /* null: none, the tensor is skipped until gatun_plan_gradient gives it one */
  /* Where the group's weights are BF16 or F16, else null: the weights in F32, which rule and averages work on and whose
     rounding becomes the weight. The library fills it from the weight at the first step that the tensor takes (or, in a
     group whose averages also move tensors without a gradient, that the group takes); later it alone counts. */
  void* master;
  /* In order: the rule's slots, as long as the weight; its scalars, one double each (of a rule that takes inputs:
     `powers` doubles, negative as long as there was no input); a slot for each average. */
  void* state[GATUN_MAX_STATE];
  int64_t length; /* elements; may be 0 */
  int64_t rows;   /* size of dimension 0; it divides length */
  int64_t flags;  /* GATUN_TENSOR_... */
  int64_t number; /* the tensor's own, for stochastic rounding */
  int32_t gradient_dtype;
  int32_t reserved;
  /* Of a rule that takes inputs (NSGD). powers: how many input powers the tensor has, 0 if it never has an input, 1 for
     all of it, or one for each channel of a convolution's input: then a row has powers / input_groups channels, and
     the rows are split evenly among the groups. */
  int64_t powers;
  int64_t input_groups;
} gatun_tensor;

/* Tensors of one type that share a rule, its arguments and a learning rate. */
typedef struct gatun_group {
  const gatun_tensor* tensors;
  int64_t count;
  int64_t* counters;     /* count + 1: the steps each tensor has taken, then the steps the group has taken */
  const void* arguments; /* gatun_<name> of the rule */
  gatun_transform transforms[GATUN_MAX_TRANSFORMS];
  gatun_average averages[GATUN_MAX_AVERAGES];
  int32_t transform_count;
  int32_t average_count;
  int32_t rule;         /* GATUN_RULE_... */
  int32_t dtype;        /* of arithmetic and state: GATUN_F32 or GATUN_F64 */
  int32_t weight_dtype; /* dtype, or GATUN_BF16 or GATUN_F16 beside GATUN_F32; so is every gradient's */
  int32_t rounding;     /* GATUN_NEAREST, ... */
  int64_t seed;         /* of stochastic rounding */
} gatun_group;

/*
 * The batch that fed a tensor's layer: samples x channels x area elements, channels being the tensor's `powers`, or the
 * power of such a batch, `channels` doubles: the mean over the samples of the sum of |x|^p over a channel's area.
 */
typedef struct gatun_input {
  const void* address;
  int64_t samples; /* 1 or more; of a power not looked at */
  int64_t channels;
  int64_t area;  /* elements of a channel of a sample; of a power not looked at */
  int32_t dtype; /* of the elements; a power is always doubles */
  int32_t power; /* 1: the power itself */
} gatun_input;

typedef enum gatun_step_flag {
  GATUN_CHECK_FINITE = 1,  /* a NaN, an infinity or an overflowing sum of squares in any gradient (of F64; of the other
                              types, with scale and transformations, one above 2^124), or an input power that is
                              not finite and 0 or more: change nothing */
  GATUN_ZERO_GRADIENTS = 2 /* gradients are zero afterwards, also after a refused step */
} gatun_step_flag;

typedef struct gatun_step_arguments {
  const double* lr;      /* one learning rate per group */
  double gradient_scale; /* every gradient is multiplied by it: 1 / loss scale */
  int64_t flags;         /* GATUN_CHECK_FINITE, ... */
} gatun_step_arguments;

typedef struct gatun_step_report {
  double gradient_norm;  /* over all tensors with a gradient, scaled, before any transformation; NaN if no sums were
                            needed */
  int64_t skipped;       /* 1: the step was refused and nothing changed */
  int64_t skipped_group; /* where the first offending gradient or input is, else -1 */
  int64_t skipped_tensor;
  int64_t skipped_input; /* 1: it is the input */
} gatun_step_report;

typedef struct gatun_context_options {
  void* stream; /* CUDA: a cudaStream_t of the caller; null: one of its own */
  int32_t backend;
  int32_t ordinal; /* CUDA device number */
  int32_t threads; /* CPU; 0: GATUN_THREADS, else the CPUs this process may use */
  int32_t isa;     /* CPU; GATUN_ISA_AUTO: GATUN_ISA, else the best this CPU and OS support */
} gatun_context_options;

typedef struct gatun_device_info {
  int64_t memory_bytes;
  int32_t threads; /* CPU: threads of the context; CUDA: multiprocessors */
  int32_t isa;     /* CPU: gatun_isa in use; CUDA: compute capability, 90 for 9.0 */
  char name[128];
} gatun_device_info;

typedef struct gatun_context gatun_context;
typedef struct gatun_plan gatun_plan;

GATUN_API int32_t gatun_abi_version(void);
GATUN_API const char* gatun_version(void);
/* The reason of this thread's last failure; valid until its next call. */
GATUN_API const char* gatun_last_error(void);
GATUN_API int32_t gatun_last_code(void);

/* Opens the CUDA backend, libgatun_cuda.so, at an absolute path. Doing it again is free; so is failing again. */
GATUN_API gatun_status gatun_cuda_open(const char* path);
GATUN_API gatun_status gatun_cuda_device_count(int32_t* count);
/* CUDA versions as 1000 * major + 10 * minor: what the driver supports, what the backend was built with. */
GATUN_API gatun_status gatun_cuda_versions(int32_t* driver, int32_t* runtime);
/* The best instruction set that this CPU and operating system support. */
GATUN_API int32_t gatun_cpu_best_isa(void);

GATUN_API gatun_status gatun_context_create(const gatun_context_options* options, gatun_context** context);
GATUN_API gatun_status gatun_context_destroy(gatun_context* context);
GATUN_API gatun_status gatun_context_info(gatun_context* context, gatun_device_info* info);
/* Waits until everything asked of the context so far has happened. */
GATUN_API gatun_status gatun_context_synchronize(gatun_context* context);

/* Device memory, 256-byte aligned and zeroed. pinned: host memory that the device copies from and to by itself. */
GATUN_API gatun_status gatun_memory_allocate(gatun_context* context, int64_t bytes, int32_t pinned, void** memory);
GATUN_API gatun_status gatun_memory_free(gatun_context* context, void* memory, int32_t pinned);
/* In the order of the context's stream; source and destination may each be host or device memory. */
GATUN_API gatun_status gatun_memory_copy(gatun_context* context, void* destination, const void* source, int64_t bytes);

/* Builds the tables of one optimizer. The descriptions are copied; the memory they point to must outlive the plan. */
GATUN_API gatun_status gatun_plan_create(gatun_context* context, const gatun_group* groups, int64_t count,
                                         gatun_plan** plan);
GATUN_API gatun_status gatun_plan_destroy(gatun_plan* plan);
/* The gradient of a tensor from now on and its type; null for none. */
GATUN_API gatun_status gatun_plan_gradient(gatun_plan* plan, int64_t group, int64_t tensor, void* gradient,
                                           int32_t dtype);
/*
 * The input of a tensor from now on; null for none. It may be read until another is given. A tensor takes steps without
 * an input as plain gradient descent, its powers as they are.
 */
GATUN_API gatun_status gatun_plan_input(gatun_plan* plan, int64_t group, int64_t tensor, const gatun_input* input);

/* One optimizer step of all groups: reduce, finalize, apply. All or nothing. */
GATUN_API gatun_status gatun_step(gatun_plan* plan, const gatun_step_arguments* arguments);
/*
 * For a step that a CUDA graph captured in the context's stream: the learning rates and the gradient scale of the
 * replays that follow. gatun_step itself takes its values along, except in a capture. The flags are those of the
 * capture.
 */
GATUN_API gatun_status gatun_plan_values(gatun_plan* plan, const gatun_step_arguments* arguments);
/* What the last step did; waits for it. */
GATUN_API gatun_status gatun_report(gatun_plan* plan, gatun_step_report* report);
/*
 * The norms of the gradients that the last step, or a gatun_reduce since, has summed: one for each tensor, group by
 * group, before the scale and any transformation; waits for it. Those of tensors without a gradient, or of which the
 * step needed no sums (no GATUN_CHECK_FINITE, no transformation), mean nothing.
 */
GATUN_API gatun_status gatun_gradient_norms(gatun_plan* plan, double* norms);

/* The phases of a step, one by one, for measurement. Together, in this order, they are gatun_step. */
GATUN_API gatun_status gatun_reduce(gatun_plan* plan, const gatun_step_arguments* arguments);
GATUN_API gatun_status gatun_finalize(gatun_plan* plan, const gatun_step_arguments* arguments);
GATUN_API gatun_status gatun_apply(gatun_plan* plan, const gatun_step_arguments* arguments);

/*
 * Moves memory as a step does and computes next to nothing: the limit a step is measured against. Reads all arrays and
 * writes back the first `written` (0: it only reads), each of `length` elements: with the context's threads, or in the
 * order of its stream. Values keep their bits.
 */
GATUN_API gatun_status gatun_traffic(gatun_context* context, void* const* arrays, int32_t count, int32_t written,
                                     int64_t length, int32_t dtype);

#ifdef __cplusplus
}
#endif
#endif
