// validate.cpp - what the C ABI refuses before anything is built or written.
#include <cmath>

#include "core/error.h"
#include "core/plan.h"
#include "rules/rules.h"

namespace gatun {

namespace {

using ll = long long;

constexpr int kRules = 0
#define GATUN_COUNT(number, constant, name, fields) +1
    GATUN_RULES(GATUN_COUNT)
#undef GATUN_COUNT
    ;

bool misaligned(const void* address, int64_t bytes) {
  return reinterpret_cast<uintptr_t>(address) % uintptr_t(bytes) != 0;
}

constexpr char kPairs[] = "it must be the group's, or GATUN_BF16 (2) or GATUN_F16 (3) where that is GATUN_F32 (0)";

bool goes_with(int32_t dtype, int32_t arithmetic) {
  return dtype == arithmetic || (is_half(dtype) && arithmetic == GATUN_F32);
}

void check_address(const void* address, int32_t dtype, int64_t length, ll group, ll tensor, const char* what) {
  if (address == nullptr && length > 0)
    fail(GATUN_INVALID_ARGUMENT, "group %lld, tensor %lld: %s is null", group, tensor, what);
  if (misaligned(address, element_bytes(dtype)))
    fail(GATUN_INVALID_ARGUMENT, "group %lld, tensor %lld: %s at %p is not aligned to %lld bytes", group, tensor, what,
         address, ll(element_bytes(dtype)));
}

// One power for all of it, or channels that its rows and groups have room for.
void check_powers(const gatun_tensor& t, ll g, ll i) {
  if (t.powers == 0 || t.powers == 1) return;
  if (t.powers < 0 || t.powers > INT64_MAX / 8)
    fail(GATUN_INVALID_ARGUMENT, "group %lld, tensor %lld: %lld powers are not possible", g, i, ll(t.powers));
  if (t.input_groups < 1 || t.powers % t.input_groups != 0)
    fail(GATUN_INVALID_ARGUMENT, "group %lld, tensor %lld: %lld input groups do not divide %lld powers", g, i,
         ll(t.input_groups), ll(t.powers));
  if (t.length == 0) return;
  if (t.rows % t.input_groups != 0)
    fail(GATUN_INVALID_ARGUMENT, "group %lld, tensor %lld: %lld input groups do not divide %lld rows", g, i,
         ll(t.input_groups), ll(t.rows));
  if (t.length / t.rows % (t.powers / t.input_groups) != 0)
    fail(GATUN_INVALID_ARGUMENT,
         "group %lld, tensor %lld: %lld powers in %lld input groups do not divide rows of %lld elements", g, i,
         ll(t.powers), ll(t.input_groups), ll(t.length / t.rows));
}

void check_tensor(const gatun_tensor& t, const gatun_group& group, ll g, ll i) {
  if (t.length < 0)
    fail(GATUN_INVALID_ARGUMENT, "group %lld, tensor %lld: length %lld is negative", g, i, ll(t.length));
  if (t.length > INT64_MAX / 8)
    fail(GATUN_INVALID_ARGUMENT, "group %lld, tensor %lld: length %lld is too large", g, i, ll(t.length));
  if (t.length > 0 && (t.rows < 1 || t.length % t.rows != 0))
    fail(GATUN_INVALID_ARGUMENT, "group %lld, tensor %lld: %lld rows do not divide %lld elements", g, i, ll(t.rows),
         ll(t.length));
  check_address(t.weight, group.weight_dtype, t.length, g, i, "weight");
  if (is_half(group.weight_dtype)) check_address(t.master, GATUN_F32, t.length, g, i, "master");
  check_gradient(t.gradient, t.gradient_dtype, group.dtype, g, i);
  const bool inputs = rule_inputs(group);
  if (inputs) check_powers(t, g, i);
  const int slots = rule_slots(group), averages = slots + rule_scalars(group);
  for (int s = 0; s < averages + group.average_count; ++s) {
    char what[32];
    std::snprintf(what, sizeof what, "state[%d]", s);
    const bool scalar = s >= slots && s < averages;
    check_address(t.state[s], scalar ? GATUN_F64 : group.dtype, !scalar ? t.length : inputs ? t.powers : 1, g, i, what);
  }
}

void check_transforms(const gatun_group& group, ll g) {
  if (group.transform_count < 0 || group.transform_count > GATUN_MAX_TRANSFORMS)
    fail(GATUN_INVALID_ARGUMENT, "group %lld: %d transformations; 0 to %d are possible", g, group.transform_count,
         GATUN_MAX_TRANSFORMS);
  for (int k = 0; k < group.transform_count; ++k) {
    const gatun_transform& t = group.transforms[k];
    if (t.kind != GATUN_CLIP && t.kind != GATUN_STANDARDIZE)
      fail(GATUN_INVALID_ARGUMENT, "group %lld: transformation %d is of unknown kind %d", g, k, t.kind);
    if (t.kind == GATUN_CLIP && !(t.value > 0))
      fail(GATUN_INVALID_ARGUMENT, "group %lld: a clip to the norm %g; it must be above 0", g, t.value);
    if (t.kind == GATUN_STANDARDIZE && !(t.value >= 0))
      fail(GATUN_INVALID_ARGUMENT, "group %lld: standardization with eps %g; it must be 0 or more", g, t.value);
  }
}

void check_averages(const gatun_group& group, ll g) {
  if (group.average_count < 0 || group.average_count > GATUN_MAX_AVERAGES)
    fail(GATUN_INVALID_ARGUMENT, "group %lld: %d averages; 0 to %d are possible", g, group.average_count,
         GATUN_MAX_AVERAGES);
  for (int k = 0; k < group.average_count; ++k) {
    const gatun_average& a = group.averages[k];
    if (a.kind != GATUN_LOOKAHEAD && a.kind != GATUN_EMA && a.kind != GATUN_EMA_BYOL)
      fail(GATUN_INVALID_ARGUMENT, "group %lld: average %d is of unknown kind %d", g, k, a.kind);
    if (!(a.value >= 0 && a.value <= 1))
      fail(GATUN_INVALID_ARGUMENT, "group %lld: average %d has the factor %g; it must be from 0 to 1", g, k, a.value);
    if (a.kind == GATUN_LOOKAHEAD && a.k < 1)
      fail(GATUN_INVALID_ARGUMENT, "group %lld: look-ahead every %lld steps; k must be 1 or more", g, ll(a.k));
    if (a.kind == GATUN_EMA_BYOL && a.k < 1)
      fail(GATUN_INVALID_ARGUMENT, "group %lld: BYOL's average over %lld steps; k must be 1 or more", g, ll(a.k));
  }
}

}  // namespace

void check_gradient(const void* gradient, int32_t dtype, int32_t arithmetic, int64_t group, int64_t tensor) {
  if (gradient == nullptr) return;
  if (!goes_with(dtype, arithmetic))
    fail(GATUN_INVALID_ARGUMENT, "group %lld, tensor %lld: gradient of dtype %d, and the group computes in %d; %s",
         ll(group), ll(tensor), dtype, arithmetic, kPairs);
  if (misaligned(gradient, element_bytes(dtype)))
    fail(GATUN_INVALID_ARGUMENT, "group %lld, tensor %lld: gradient at %p is not aligned to %lld bytes", ll(group),
         ll(tensor), gradient, ll(element_bytes(dtype)));
}

void check_input(const gatun_input& input, int64_t powers, int64_t group, int64_t tensor) {
  const ll g = group, i = tensor;
  if (powers == 0) fail(GATUN_INVALID_ARGUMENT, "group %lld, tensor %lld: input for a tensor that has no powers", g, i);
  if (input.channels != powers)
    fail(GATUN_INVALID_ARGUMENT, "group %lld, tensor %lld: input of %lld channels for %lld powers", g, i,
         ll(input.channels), ll(powers));
  if (input.power) {
    check_address(input.address, GATUN_F64, powers, g, i, "input");
    return;
  }
  if (input.dtype != GATUN_F32 && input.dtype != GATUN_F64)
    fail(GATUN_INVALID_ARGUMENT, "group %lld, tensor %lld: input of unknown dtype %d", g, i, input.dtype);
  if (input.samples < 1 || input.area < 0 || input.samples > INT64_MAX / 8 / powers ||
      (input.area > 0 && input.samples * powers > INT64_MAX / 8 / input.area))
    fail(GATUN_INVALID_ARGUMENT, "group %lld, tensor %lld: input of %lld samples of %lld x %lld elements", g, i,
         ll(input.samples), ll(powers), ll(input.area));
  check_address(input.address, input.dtype, input.area, g, i, "input");
}

void check_step(const gatun_step_arguments& arguments, int64_t groups) {
  for (int64_t g = 0; g < groups; ++g)
    if (!std::isfinite(arguments.lr[g]))
      fail(GATUN_INVALID_ARGUMENT, "lr[%lld]: %g is not a learning rate", ll(g), arguments.lr[g]);
  if (!std::isfinite(arguments.gradient_scale))
    fail(GATUN_INVALID_ARGUMENT, "gradient_scale: %g is not finite", arguments.gradient_scale);
}

int rule_variant(const gatun_group& group) {
  return visit_rule(group.rule, [&](auto r) {
    using R = decltype(r);
    return R::variant(*static_cast<const typename R::Arguments*>(group.arguments));
  });
}

int rule_slots(const gatun_group& group) {
  return visit_rule(group.rule, [&](auto r) { return decltype(r)::slots(rule_variant(group)); });
}

int rule_scalars(const gatun_group& group) {
  return visit_rule(group.rule, [&](auto r) { return decltype(r)::scalars(rule_variant(group)); });
}

int rule_sums(const gatun_group& group) {
  return visit_rule(group.rule, [&](auto r) { return decltype(r)::sums(rule_variant(group)); });
}

bool rule_pools(const gatun_group& group) {
  return visit_rule(group.rule, [&](auto r) {
    using R = decltype(r);
    return R::pools(*static_cast<const typename R::Arguments*>(group.arguments));
  });
}

bool rule_rows(const gatun_group& group) {
  return visit_rule(group.rule, [](auto r) { return decltype(r)::kRows; });
}

bool rule_inputs(const gatun_group& group) {
  return visit_rule(group.rule, [](auto r) { return decltype(r)::kInputs; });
}

bool rule_absolute(const gatun_group& group) {
  return visit_rule(group.rule, [&](auto r) {
    using R = decltype(r);
    return R::absolute(*static_cast<const typename R::Arguments*>(group.arguments));
  });
}

size_t argument_bytes(int32_t rule) {
  return visit_rule(rule, [](auto r) { return sizeof(typename decltype(r)::Arguments); });
}

void check_groups(const gatun_group* groups, int64_t count) {
  if (count < 0) fail(GATUN_INVALID_ARGUMENT, "%lld groups; there must be 0 or more", ll(count));
  if (groups == nullptr && count > 0) fail(GATUN_INVALID_ARGUMENT, "groups is null");
  for (int64_t g = 0; g < count; ++g) {
    const gatun_group& group = groups[g];
    if (group.count < 0)
      fail(GATUN_INVALID_ARGUMENT, "group %lld: %lld tensors; there must be 0 or more", ll(g), ll(group.count));
    if (group.tensors == nullptr && group.count > 0) fail(GATUN_INVALID_ARGUMENT, "group %lld: tensors is null", ll(g));
    if (group.counters == nullptr) fail(GATUN_INVALID_ARGUMENT, "group %lld: counters is null", ll(g));
    if (misaligned(group.counters, 8))
      fail(GATUN_INVALID_ARGUMENT, "group %lld: counters are not aligned to 8 bytes", ll(g));
    if (group.rule < 0 || group.rule >= kRules)
      fail(GATUN_INVALID_ARGUMENT, "group %lld: unknown rule %d; this library has 0 to %d", ll(g), group.rule,
           kRules - 1);
    if (group.arguments == nullptr) fail(GATUN_INVALID_ARGUMENT, "group %lld: arguments is null", ll(g));
    if (misaligned(group.arguments, 8))
      fail(GATUN_INVALID_ARGUMENT, "group %lld: arguments are not aligned to 8 bytes", ll(g));
    if (group.dtype != GATUN_F32 && group.dtype != GATUN_F64)
      fail(GATUN_INVALID_ARGUMENT, "group %lld: dtype %d; arithmetic and state are GATUN_F32 (0) or GATUN_F64 (1)",
           ll(g), group.dtype);
    if (!goes_with(group.weight_dtype, group.dtype))
      fail(GATUN_INVALID_ARGUMENT, "group %lld: weight_dtype %d beside dtype %d; %s", ll(g), group.weight_dtype,
           group.dtype, kPairs);
    if (group.rounding != GATUN_NEAREST && group.rounding != GATUN_STOCHASTIC)
      fail(GATUN_INVALID_ARGUMENT, "group %lld: rounding %d; must be a gatun_rounding", ll(g), group.rounding);
    check_transforms(group, g);
    check_averages(group, g);
    const int slots = rule_slots(group) + rule_scalars(group) + group.average_count;
    if (slots > GATUN_MAX_STATE)
      fail(GATUN_INVALID_ARGUMENT, "group %lld: %d state tensors are needed, %d are possible", ll(g), slots,
           GATUN_MAX_STATE);
    for (int64_t i = 0; i < group.count; ++i) check_tensor(group.tensors[i], group, g, i);
  }
}

}  // namespace gatun
