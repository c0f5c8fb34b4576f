// rules.h - every rule, by its number in the registry of gatun.h. A new rule is its own header and an include here.
#pragma once
#include "adabelief.h"
#include "adal.h"
#include "adam.h"
#include "adamp.h"
#include "aida.h"
#include "generic_adam.h"
#include "layerwise.h"
#include "nsgd.h"
#include "pnm.h"
#include "sgd.h"
#include "trust.h"

GATUN_RULES_BEGIN

// visit(Rule<number>{}); the number must be valid.
template <class Visitor>
inline auto visit_rule(int32_t rule, Visitor&& visit) {
#define GATUN_RULE_CASE(number, constant, name, fields) \
  case number:                                          \
    return visit(Rule<number>{});
  switch (rule) { GATUN_RULES(GATUN_RULE_CASE) }
#undef GATUN_RULE_CASE
  __builtin_unreachable();
}

GATUN_RULES_END
