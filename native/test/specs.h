// specs.h - the optimizers, the types and the shapes that the tests go through.
#pragma once
#include <vector>

#include "problem.h"

namespace test {

// Every rule in every form, with every transformation and average of this version on or off. Weight decay is never 0 in
// a rule that has it, but for the plain forms.
inline std::vector<Spec> all_specs() {
  constexpr double decay = 0.05;
  const std::vector<Spec> rules = {
      sgd("sgd", 0.05),
      sgd("sgd l2", 0.05, 0, 0, false, decay),
      sgd("sgd decoupled", 0.05, 0, 0, false, decay, GATUN_DECAY_DECOUPLED),
      sgd("sgd fixed", 0.05, 0, 0, false, decay, GATUN_DECAY_FIXED),
      sgd("momentum", 0.05, 0.9),
      sgd("momentum dampening l2", 0.05, 0.9, 0.3, false, decay),
      sgd("nesterov l2", 0.05, 0.9, 0, true, decay),
      sgd("nesterov decoupled", 0.05, 0.8, 0, true, decay, GATUN_DECAY_DECOUPLED),
      sgd("momentum fixed", 0.05, 0.9, 0.1, false, decay, GATUN_DECAY_FIXED),
      adam("adam", 1e-3),
      adam("adam l2", 1e-3, decay),
      adam("adamw", 1e-2, decay, GATUN_DECAY_DECOUPLED),
      adam("adam fixed", 1e-3, decay, GATUN_DECAY_FIXED),
      adam("amsgrad l2", 1e-3, decay, GATUN_DECAY_L2, true),
      adam("amsgrad decoupled", 1e-3, decay, GATUN_DECAY_DECOUPLED, true),
      adam("adam softplus", 5e-3, decay, GATUN_DECAY_DECOUPLED, false, 50),
      adam("amsgrad softplus", 5e-3, decay, GATUN_DECAY_FIXED, true, 3),
  };
  std::vector<Spec> specs = rules;
  for (const Spec& rule : rules) {
    const bool both = rule.name == "momentum" || rule.name == "adamw" || rule.name == "adam softplus";
    const auto before = [&](const char* what, bool center, bool normalize) {
      Spec spec = rule;
      spec.name = what + rule.name;
      spec.standardize(center, normalize);
      specs.push_back(spec);
    };
    before("sing ", true, true);
    if (both) before("sing without centring ", false, true);
    if (both) before("sing without norm ", true, false);
    if (both) before("sing with neither ", false, false);
  }
  const auto add = [&](Spec spec, const char* name) {
    spec.name = name;
    specs.push_back(spec);
  };
  const Spec sing = adam("", 5e-3, 5e-3, GATUN_DECAY_DECOUPLED, false, 50).standardize();
  add(Spec(sing).lookahead(5, 0.5, true), "sing official");
  add(adam("", 1e-2).lookahead(5, 0.8, false), "lookahead adam");
  add(adam("", 1e-2).lookahead(3, 0.5, true), "lookahead adam, idle tensors skipped");
  add(sgd("", 0.05, 0.9).lookahead(1, 0.25, false), "lookahead every step");
  add(adam("", 1e-2).ema(0.9), "ema adam");
  add(sgd("", 0.05).ema(0.999), "ema sgd");
  add(sgd("", 0.05, 0.9).byol(0.6, 6), "byol's ema");
  add(adam("", 1e-2).ema(0.9).lookahead(4, 0.5, false), "lookahead of ema");
  add(sgd("", 0.05, 0.9).lookahead(4, 0.5, false).ema(0.7), "ema of lookahead");
  add(adam("", 1e-2).clip(1.0), "clip adam");
  add(sgd("", 0.05, 0.9).clip(1e9), "clip that does nothing");
  add(Spec(sgd("", 0.05, 0.9)).clip(0.5).standardize(), "clip, then sing");
  add(Spec(sgd("", 0.05, 0.9)).standardize().clip(0.5), "sing, then clip");
  add(Spec(sgd("", 0.5)).standardize(true, false).standardize(false, true), "centring, then norm");
  return specs;
}

// The rules that the model here does not know; the Java tests compare them with theirs. With sums: those that need sums
// over their tensors, or layer inputs.
inline std::vector<Spec> other_specs(bool with_sums) {
  constexpr double decay = 0.05;
  constexpr int32_t l2 = GATUN_DECAY_L2, decoupled = GATUN_DECAY_DECOUPLED;
  std::vector<Spec> specs = {
      rule("adabelief", GATUN_RULE_ADABELIEF, 1e-2, gatun_adabelief{0.9, 0.9, 1e-8, decay, decoupled, 0, 1, 1}, 3),
      rule("adabelief rectified", GATUN_RULE_ADABELIEF, 1e-2, gatun_adabelief{0.9, 0.9, 1e-8, decay, l2, 1, 1, 0}, 2),
      rule("radam", GATUN_RULE_RADAM, 1e-2, gatun_radam{0.9, 0.9, 1e-8, decay, 0, 0}, 2),
      rule("pnm", GATUN_RULE_PNM, 1e-2, gatun_pnm{0.9, 1, decay, decoupled, 0}, 2),
      rule("adapnm", GATUN_RULE_ADAPNM, 1e-2, gatun_adapnm{0.9, 0.999, 1, 1e-8, decay, l2, 1}, 4),
      rule("adapnm without amsgrad", GATUN_RULE_ADAPNM, 1e-2, gatun_adapnm{0.9, 0.999, 1, 1e-8, decay, l2, 0}, 3),
      rule("lookahead of pnm", GATUN_RULE_PNM, 1e-2, gatun_pnm{0.9, 1, decay, l2, 0}, 2).lookahead(2, 0.5, false),
      rule("generic adam", GATUN_RULE_GENERIC_ADAM, 1e-2, gatun_generic_adam{0.9, 0.75, 1e-8}, 2),
      rule("sing pnm", GATUN_RULE_PNM, 1e-2, gatun_pnm{0.9, 1, decay, l2, 0}, 2).standardize(),
  };
  if (!with_sums) return specs;
  const gatun_aida aida{0.9, 0.999, 1e-8, decay, 1e-20, 2, l2, 0};
  for (const Spec& spec : std::vector<Spec>{
           rule("aida", GATUN_RULE_AIDA, 1e-2, aida, 2),
           rule("sing aida", GATUN_RULE_AIDA, 1e-2, aida, 2).standardize(),
           rule("ladam", GATUN_RULE_LADAM, 1e-2, gatun_ladam{0.9, 0.999, 1e-8, decay, l2, 0}, 1, 1),
           rule("ladam post", GATUN_RULE_LADAM, 1e-2, gatun_ladam{0.9, 0.999, 1e-8, decay, decoupled, 1}, 2),
           rule("ladabelief", GATUN_RULE_LADABELIEF, 1e-2, gatun_ladabelief{0.9, 0.999, 1e-8, decay, l2, 0}, 1, 1)
               .lookahead(2, 0.5, true),
           rule("ladabelief post", GATUN_RULE_LADABELIEF, 1e-2, gatun_ladabelief{0.9, 0.999, 1e-8, decay, l2, 1}, 2),
           rule("adal", GATUN_RULE_ADAL, 1e-2, gatun_adal{0.9, 0.999, 1e-8, decay, decoupled, 1, 0, 0}, 2),
           rule("adal literal", GATUN_RULE_ADAL, 1e-2, gatun_adal{0.9, 0.999, 1e-8, decay, l2, 0, 1, 0}, 2),
           rule("adal global", GATUN_RULE_ADAL, 1e-2, gatun_adal{0.9, 0.999, 1e-8, decay, l2, 0, 0, 1}, 2),
           rule("adamp", GATUN_RULE_ADAMP, 1e-2, gatun_adamp{0.9, 0.999, 1e-8, decay, 0.3, 0.1, 0, 0}, 2),
           rule("adamp nesterov", GATUN_RULE_ADAMP, 1e-2, gatun_adamp{0.9, 0.999, 1e-8, decay, 1e3, 0.1, 1, 0}, 2),
           rule("sing adamp", GATUN_RULE_ADAMP, 1e-2, gatun_adamp{0.9, 0.999, 1e-8, decay, 1e3, 0.1, 0, 0}, 2)
               .standardize(),
           rule("sgdp", GATUN_RULE_SGDP, 1e-1, gatun_sgdp{0.9, 0.1, decay, 1e-8, 1e3, 0.1, 0, 0}, 1).byol(0.9, 5),
           rule("sgdp nesterov", GATUN_RULE_SGDP, 1e-1, gatun_sgdp{0.9, 0, decay, 1e-8, 0.3, 0.1, 1, 0}, 1),
           rule("sgdp plain", GATUN_RULE_SGDP, 1e-1, gatun_sgdp{0, 0, decay, 1e-8, 1, 0.1, 0, 0}, 0).clip(1),
           rule("lamb", GATUN_RULE_LAMB, 1e-2, gatun_lamb{0.9, 0.999, 1e-6, decay, 0, 0}, 2).clip(1),
           rule("lars", GATUN_RULE_LARS, 1e-1, gatun_lars{0.9, decay, 1e-2, 1e-8, 1, 0, 0, 0}, 1),
           rule("nsgd", GATUN_RULE_NSGD, 1e-2, gatun_nsgd{0.9, 0, decay, 0.01, 0, 0, 0, 0, 0}, 1, 1),
           rule("nsgd nesterov l1", GATUN_RULE_NSGD, 1e-2, gatun_nsgd{0.9, 0, decay, 1, 0.5, 1, 1, 0, 0}, 1, 1),
           rule("nsgd plain", GATUN_RULE_NSGD, 1e-2, gatun_nsgd{0, 0, decay, 0.5, 0.9, 0, 0, 0, 0}, 0, 1),
           rule("insgd", GATUN_RULE_NSGD, 1e-2, gatun_nsgd{0.9, 0.2, decay, 0.5, 0.9, 0, 0, 1, 1}, 1, 1),
           rule("insgd plain", GATUN_RULE_NSGD, 1e-2, gatun_nsgd{0, 0, decay, 0.5, 0, 0, 1, 1, 1}, 0, 1),
           rule("sing insgd nesterov", GATUN_RULE_NSGD, 1e-2, gatun_nsgd{0.9, 0, decay, 0.5, 0, 1, 0, 1, 1}, 1, 1)
               .standardize()
               .lookahead(2, 0.5, false),
           rule("lars byol", GATUN_RULE_LARS, 1e-1, gatun_lars{0, decay, 1e-2, 1e-8, 0, 1, 1, 0}, 0),
       })
    specs.push_back(spec);
  return specs;
}

inline std::string name_of(const Types& types) {
  const char* names[] = {"arithmetic's", "F32", "F64", "BF16", "F16"};
  return std::string(" with ") + names[types.weight + 1] + " weights, " + names[types.gradient + 1] + " gradients, " +
         (types.rounding == GATUN_STOCHASTIC ? "stochastic" : "nearest");
}

// Every pair of types but F32 with F32, and both ways to round where anything is rounded.
inline std::vector<Types> all_types() {
  std::vector<Types> all;
  for (const int32_t weight : {GATUN_F32, GATUN_BF16, GATUN_F16})
    for (const int32_t gradient : {GATUN_F32, GATUN_BF16, GATUN_F16})
      for (const int32_t rounding : {GATUN_NEAREST, GATUN_STOCHASTIC})
        if (weight != GATUN_F32 || (gradient != GATUN_F32 && rounding == GATUN_NEAREST))
          all.push_back({weight, gradient, rounding, 20261121});
  return all;
}

// Sizes at every border there is: registers, lanes (32), chunks (2048), powers of two around them; rows of 1, 9, 577,
// 20,011.
inline std::vector<Shape> all_shapes() {
  std::vector<Shape> shapes = {{0, 0, false}, {0, 0, true}, {5, 0, true}};
  for (int64_t n = 1; n <= 130; ++n) shapes.push_back(vector_of(n));
  for (const int64_t n : {255, 256, 257, 1023, 1024, 1025, 2047, 2048, 2049, 4096, 8191, 8192, 8193})
    shapes.push_back(vector_of(n));
  for (const int64_t n : {1, 2, 3, 9, 31, 32, 33, 577})
    for (const int64_t rows : {1, 2, 5}) shapes.push_back(matrix_of(rows, n));
  for (const int64_t rows : {64, 227, 228, 455, 456, 500})
    shapes.push_back(matrix_of(rows, 9));  // 227 rows fill a chunk
  shapes.push_back(matrix_of(2049, 1));
  shapes.push_back(matrix_of(7, 577));  // three rows fill a chunk
  shapes.push_back(matrix_of(1, 2048));
  shapes.push_back(matrix_of(3, 2049));
  shapes.push_back(matrix_of(1, 20011));
  shapes.push_back(matrix_of(2, 20011));
  return shapes;
}

}  // namespace test
