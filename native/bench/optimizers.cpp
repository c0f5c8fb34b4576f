#include "optimizers.h"

namespace bench {

using test::adam;
using test::rule;
using test::sgd;
using test::Spec;

std::vector<Spec> optimizers(const std::string& only) {
  constexpr double decay = 0.01;
  constexpr int32_t l2 = GATUN_DECAY_L2, decoupled = GATUN_DECAY_DECOUPLED;
  const Spec sing = adam("sing()", 5e-3, 5e-3, decoupled, false, 50).standardize().lookahead(5, 0.5, true);
  const gatun_aida aida{0.9, 0.999, 1e-8, decay, 1e-20, 2, l2, 0};
  const gatun_pnm pnm{0.9, 1, decay, decoupled, 0};
  const std::vector<Spec> all = {
      adam("adamw()", 1e-3, decay, decoupled),
      adam("sing(softplus=0, lookahead=0)", 5e-3, 5e-3, decoupled).standardize(),
      sing,
      rule("lamb()", GATUN_RULE_LAMB, 1e-3, gatun_lamb{0.9, 0.999, 1e-6, decay, 0, 0}, 2),
      rule("aida()", GATUN_RULE_AIDA, 1e-3, aida, 2),
      rule("adal()", GATUN_RULE_ADAL, 1e-3, gatun_adal{0.9, 0.999, 1e-8, decay, decoupled, 1, 0, 0}, 2),
      rule("ladam()", GATUN_RULE_LADAM, 1e-3, gatun_ladam{0.9, 0.999, 1e-8, decay, l2, 0}, 1, 1),
      rule("ladabelief()", GATUN_RULE_LADABELIEF, 1e-3, gatun_ladabelief{0.9, 0.999, 1e-8, decay, l2, 0}, 1, 1),
      rule("lars()", GATUN_RULE_LARS, 1e-1, gatun_lars{0.9, decay, 1e-3, 1e-8, 0, 0, 0, 0}, 1),
      sgd("sgd()", 1e-2),
      sgd("sgd(momentum=0.9)", 1e-2, 0.9, 0, false, decay),
      adam("amsgrad()", 1e-3, decay, l2, true),
      rule("adabelief()", GATUN_RULE_ADABELIEF, 1e-3, gatun_adabelief{0.9, 0.999, 1e-16, decay, decoupled, 0, 1, 0}, 2),
      rule("radam()", GATUN_RULE_RADAM, 1e-3, gatun_radam{0.9, 0.999, 1e-8, decay, 0, 0}, 2),
      rule("pnm()", GATUN_RULE_PNM, 1e-3, pnm, 2),
      rule("adapnm()", GATUN_RULE_ADAPNM, 1e-3, gatun_adapnm{0.9, 0.999, 1, 1e-8, decay, decoupled, 1}, 4),
      rule("generic_adam()", GATUN_RULE_GENERIC_ADAM, 1e-3, gatun_generic_adam{0.9, 0, 1e-8}, 2),
      rule("adamp()", GATUN_RULE_ADAMP, 1e-3, gatun_adamp{0.9, 0.999, 1e-8, decay, 0.1, 0.1, 0, 0}, 2),
      rule("sgdp()", GATUN_RULE_SGDP, 1e-2, gatun_sgdp{0.9, 0, decay, 1e-8, 0.1, 0.1, 0, 0}, 1),
      rule("sing(pnm())", GATUN_RULE_PNM, 1e-3, pnm, 2).standardize(),
      adam("clip(adamw())", 1e-3, decay, decoupled).clip(1),
  };
  std::vector<Spec> some;
  for (const Spec& spec : all)
    if (spec.name.find(only) != std::string::npos) some.push_back(spec);
  return some;
}

int64_t bytes_per_parameter(const Spec& spec, int32_t dtype) {
  int64_t arrays = 1 + int64_t(spec.rule_slots());  // the weight and the state: read and written
  for (const gatun_average& average : spec.averages) arrays += average.kind == GATUN_EMA;
  const bool pairs = spec.rule == GATUN_RULE_PNM || spec.rule == GATUN_RULE_ADAPNM;  // of two momenta, one moves
  return (2 * arrays + 1 - pairs) * (dtype == GATUN_F64 ? 8 : 4);
}

}  // namespace bench
