package dev.gatun;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * A rule on types with a backend, to be held to {@link OptimizerContract}.
 *
 * @param types of weights and gradients
 * @param values the types whose values its weights and gradients begin with: a reference begins as its subject
 * @param backend null for the native one
 */
record Subject(String specification, Types types, Types values, Backend backend) {
    /** Those of a parameter. */
    record Types(DType weight, DType gradient, Rounding rounding) {
        static Types of(DType dtype) {
            return new Types(dtype, dtype, Rounding.NEAREST);
        }

        @Override
        public String toString() {
            String types = weight == gradient ? weight.name() : weight + " with gradients in " + gradient;
            return rounding == Rounding.NEAREST ? types : types + ", stochastic";
        }
    }

    /** Every pair with BF16 or F16 in it. */
    static final List<Types> MIXED = List.of(
            new Types(DType.BF16, DType.BF16, Rounding.NEAREST),
            new Types(DType.F16, DType.F32, Rounding.STOCHASTIC),
            new Types(DType.F32, DType.BF16, Rounding.NEAREST),
            new Types(DType.F16, DType.F16, Rounding.NEAREST),
            new Types(DType.BF16, DType.F32, Rounding.STOCHASTIC),
            new Types(DType.BF16, DType.F16, Rounding.NEAREST),
            new Types(DType.F16, DType.BF16, Rounding.STOCHASTIC),
            new Types(DType.F32, DType.F16, Rounding.STOCHASTIC),
            new Types(DType.BF16, DType.BF16, Rounding.STOCHASTIC));

    /** What stochastic rounding draws from. */
    static final long SEED = -20261121;

    Subject(String specification, DType dtype, Backend backend) {
        this(specification, Types.of(dtype), Types.of(dtype), backend);
    }

    /**
     * Every rule, every option, every wrapper; decay never zero, so that a wrong form of it shows. Adam's is 0.03: with
     * 0.05 a BF16 gradient may be just what decay adds, and the sign of what is left over, which it follows, is chance.
     */
    static final List<String> SPECIFICATIONS = List.of(
            "sgd(lr=0.1, weight_decay=0.01)",
            "sgd(lr=0.05, momentum=0.9, dampening=0.1, weight_decay=0.01)",
            "sgd(lr=0.05, momentum=0.9, nesterov=true, weight_decay=0.1, decay=decoupled)",
            "sgd(lr=0.05, momentum=0.5, weight_decay=0.001, decay=fixed)",
            "adam(lr=0.01, weight_decay=0.03)",
            "adamw(lr=0.01, weight_decay=0.1)",
            "adam(lr=0.01, beta1=0.8, beta2=0.95, eps=1e-4, weight_decay=0.001, decay=fixed, amsgrad=true)",
            "adam(lr=0.01, weight_decay=0.01, softplus=50)",
            "adamw(lr=0.01, weight_decay=0.1, amsgrad=true, softplus=5)",
            "adabelief(lr=0.01, eps=1e-8, weight_decay=0.1)",
            "adabelief(lr=0.01, beta2=0.9, eps=1e-8, weight_decay=0.1, rectify=false, amsgrad=true)",
            "adabelief(lr=0.01, beta2=0.9, weight_decay=0.01, decay=l2, degenerate_to_sgd=false)",
            "radam(lr=0.01, beta2=0.95, weight_decay=0.1)",
            "radam(lr=0.01, weight_decay=0.1, degenerate_to_sgd=true)",
            "pnm(lr=0.05, weight_decay=0.1)",
            "pnm(lr=0.05, beta1=0.5, beta0=0.3, weight_decay=0.01, decay=l2)",
            "adapnm(lr=0.01, weight_decay=0.1)",
            "adapnm(lr=0.01, beta0=0.3, weight_decay=0.001, decay=fixed, amsgrad=false)",
            "aida(lr=0.01, weight_decay=0.01)",
            "aida(lr=0.01, weight_decay=0.1, decay=decoupled, k=3, outer_eps=true)",
            "ladam(lr=0.01, weight_decay=0.01)",
            "ladam(lr=0.01, weight_decay=0.1, decay=decoupled, layerwise=post)",
            "ladabelief(lr=0.01, weight_decay=0.01)",
            "ladabelief(lr=0.01, weight_decay=0.001, decay=fixed, layerwise=post)",
            "adal(lr=0.01, weight_decay=0.1)",
            "adal(lr=0.01, weight_decay=0.01, decay=l2, sqrt_decay=false, eps_mode=literal)",
            "adal(lr=0.01, weight_decay=0.01, decay=l2, scope=global)",
            "lamb(lr=0.01, weight_decay=0.1)",
            "lamb(lr=0.01, weight_decay=0.1, max_grad_norm=0, trust_clip=true)",
            "lamb(lr=0.01, weight_decay=0, always_adapt=true)",
            "lars(lr=0.5, weight_decay=0.01, eta=0.1)",
            "lars(lr=0.1, nesterov=true, weight_decay=0.01, eta=0.1, variant=byol)",
            "lars(lr=0.05, momentum=0, weight_decay=0.01, eta=0.1, clip=true)",
            "generic_adam(lr=0.05)",
            "generic_adam(lr=0.05, r=1, beta1=0.5, eps=1e-4)",
            "adamp(lr=0.01, weight_decay=0.1)",
            "adamp(lr=0.05, weight_decay=0.5, delta=0.8, nesterov=true)",
            "adamp(lr=0.05, weight_decay=0.5, delta=100, wd_ratio=0.3)",
            "sgdp(lr=0.05, weight_decay=0.1)",
            "sgdp(lr=0.05, momentum=0.8, nesterov=true, weight_decay=0.1, delta=0.8)",
            "sgdp(lr=0.05, momentum=0, dampening=0.1, weight_decay=0.1, delta=100)",
            "sing(adamp(lr=0.01, weight_decay=0.1, delta=2))",
            "nsgd(lr=0.5, weight_decay=0.01)",
            "nsgd(lr=0.1, momentum=0, weight_decay=0.01, norm=l1, input_beta=0.7, order=pre)",
            "nsgd(lr=0.1, dampening=0.3, weight_decay=0.01, transform=log)",
            "insgd(lr=0.05, momentum=0.5, nesterov=true, weight_decay=0.01, input_beta=0.5)",
            "insgd(lr=0.05, weight_decay=0.01, norm=l1, eps=3, scope=layer)",
            "lookahead(clip(sing(insgd(lr=0.1, weight_decay=0.01)), norm=0.5), k=3)",
            "sing(aida(lr=0.01, weight_decay=0.01, k=1))",
            "clip(lamb(lr=0.01, weight_decay=0.1, max_grad_norm=0), norm=0.5)",
            "sing(lr=0.01, weight_decay=0.5)",
            "sing(lr=0.01, center=false, lookahead=0)",
            "sing(lr=0.01, normalize=false, softplus=0)",
            "sing(lr=0.01, weight_decay=0.5, softplus=0, lookahead=3, lookahead_alpha=0.3)",
            "sing(sgd(lr=0.05, momentum=0.9, weight_decay=0.01))",
            "sing(adamw(lr=0.01, weight_decay=0.1), center=false)",
            "sing(sgd(lr=0.05, weight_decay=0.01), normalize=false)",
            "clip(adamw(lr=0.01, weight_decay=0.1), norm=0.5)",
            "clip(sgd(lr=0.05, weight_decay=0.1, decay=decoupled), norm=0.5)",
            "clip(sing(clip(sgd(lr=0.05, momentum=0.9, weight_decay=0.01), norm=0.1)), norm=20)",
            "lookahead(adamw(lr=0.01, weight_decay=0.1), k=3, alpha=0.3)",
            "ema(sgd(lr=0.1, weight_decay=0.01), tau=0.9)",
            "ema(adamw(lr=0.1, weight_decay=0.1), tau=0.5, tau_schedule=byol, steps=7)",
            "lookahead(ema(clip(sing(adamw(lr=0.01, weight_decay=0.1)), norm=2), tau=0.5), k=4)");

    /**
     * Every rule in F32 and in F64, and with two of the mixed types by turns. The emulated GPU is slow, over six minutes
     * for all of it: every rule in F32, and by turns in F64 or with a mixed type, unless more than usual is asked for
     * ({@link Amount}); native/test/mixed_test and cuda_bits_test have them all.
     */
    static Stream<Subject> all(Backend backend) {
        List<Subject> subjects = new ArrayList<>();
        boolean all = !TestDevice.isEmulated() || Amount.of(1) > 1;
        for (int k = 0; k < SPECIFICATIONS.size(); k++) {
            String specification = SPECIFICATIONS.get(k);
            subjects.add(new Subject(specification, DType.F32, backend));
            if (all || k % 3 != 0) {
                subjects.add(new Subject(specification, DType.F64, backend));
            }
            for (int i = 0; i < 2; i++) {
                Types types = MIXED.get((4 * k + 2 + i) % 9);
                if (all || k % 3 == 0 && i == k % 2) {
                    subjects.add(new Subject(specification, types, types, backend));
                }
            }
        }
        return subjects.stream();
    }

    Rule rule() {
        return Rule.parse(specification);
    }

    /** The same rule computed by the model in F64. */
    Subject reference() {
        return new Subject(specification, Types.of(DType.F64), types, new ModelBackend());
    }

    /** The same with another rule. */
    Subject withRule(Rule rule) {
        return new Subject(rule.toString(), types, values, backend);
    }

    /** Norm-wise, after a dozen steps. F32 rounds every state and weight at every step. */
    double tolerance() {
        return types.weight().arithmetic() == DType.F32 ? 5e-6 : 1e-12;
    }

    @Override
    public String toString() {
        return specification + " " + types + " " + (backend == null ? "native" : backend);
    }
}
