#!/bin/bash
# mutants.sh [CXX [WORDS]] - proof that the tests bite: breaks a copy of the library in one place after the other, and
# fails if the test that is named for it passes on the broken library, or if the place is no longer there to break. With
# WORDS only the mutants whose description contains them.
set -euo pipefail
native=$(cd "$(dirname "$0")/.." && pwd)
cxx=${1:-${CXX:-c++}} only=${2:-}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r "$native" "$copy/native"

# Little optimized, to compile fast, and without warnings: mutants leave things unused. Tests do their short form.
cmake -S "$copy/native" -B "$copy/build" -DGATUN_TESTS=ON -DGATUN_CUDA=OFF -DCMAKE_CXX_COMPILER="$cxx" \
  -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-O1 -w" >"$copy/log" 2>&1 || { cat "$copy/log"; exit 1; }
build() { cmake --build "$copy/build" --parallel --target gatun "${1}_test" >"$copy/log" 2>&1; }
run() { GATUN_TEST_SLOW_BUILD=1 timeout 120 "$copy/build/test/${1}_test" >"$copy/log" 2>&1; }
for test in reference bits finite numerics half mixed nsgd allocation; do
  build $test || { cat "$copy/log"; exit 1; }
  run $test || { cat "$copy/log"; echo "mutants: $test fails without any mutation"; exit 1; }
done

failures=0 count=0
mutant() { # TEST FILE SED_EXPRESSION WHAT
  [[ $4 == *$only* ]] || return 0
  count=$((count + 1))
  sed -i -E "$3" "$copy/native/$2"
  if cmp -s "$native/$2" "$copy/native/$2"; then
    echo "mutants: nothing to break for \"$4\": $2 has changed, adapt its line here"
    failures=$((failures + 1))
    return
  fi
  if ! build "$1"; then
    tail -5 "$copy/log"
    echo "mutants: \"$4\" does not compile"
    failures=$((failures + 1))
  elif run "$1"; then
    echo "mutants: \"$4\" was not noticed by $1"
    failures=$((failures + 1))
  else
    echo "noticed by $1: $4"
  fi
  cp "$native/$2" "$copy/native/$2"
}

mutant reference rules/adam.h 's|T\(step\.lr / bias1\)|T(step.lr)|' 'no bias correction'
mutant reference rules/adam.h 's|max_\(state\[2\], v\)|v|' 'AMSGrad forgets its maximum'
mutant reference rules/step.h 's|return \{0, form == |return {weight_decay, form == |' 'decay coupled and decoupled'
mutant reference rules/sgd.h 's|T\(first \? 1 : 1 - a\.dampening\)|T(1 - a.dampening)|' 'dampening on the first step'
mutant reference rules/gradient.h 's|return norm > limit \? limit / norm : 1;|return limit / norm;|' 'a clip that enlarges'
mutant reference cpu/kernels.cpp '/R::template update<variant>/,/w\[i\] = x/s|w\[i\] = x;|if (i + 1 < n) w[i] = x;|' 'tail off by one'
mutant reference cpu/kernels.cpp '/R::template update<variant>/s|R::template.*|(void)c, (void)read;|' 'a step that does nothing'
mutant reference cpu/reduce.h 's|g\[i \+ l\] : empty|g[i + l] : T(1)|' 'empty lanes are not empty'
mutant reference cpu/finalize.cpp 's|moments\.merge\(|if (c + 1 < end) moments.merge(|' 'the last chunk of a row is not summed'
mutant reference cpu/apply.cpp 's|step % average\.k == 0|step % average.k == 1|' 'look-ahead one step off'
mutant reference cpu/apply.cpp 's|t\.gradient != nullptr \&\& t\.first : group_step == 1|group_step == 1 : group_step == 1|' \
  'slow weights of a late tensor begin as zero'
mutant reference cpu/finalize.cpp 's|if \(t\.gradient == nullptr\) continue;(.*)|if (false) continue;\1|' 'idle tensors count their steps'
mutant reference rules/average.h 's|half_cosine\(group_step - 1|half_cosine(group_step|' "BYOL's average one step on"
mutant bits cpu/finalize.cpp 's|squares\.add\(c, partial|squares.add(c / threads_used_, partial|' 'sums depend on the threads'
mutant bits cpu/interleave.cpp 's|^      reduce\(span\);|      if (thread != 1) reduce(span);|' \
  'a thread leaves out its part of a sum'
mutant finite cpu/finalize.cpp 's|if \(std::isfinite\(sum\) \&\& powers|if (sum == sum \&\& powers|' 'infinities pass the check'
mutant finite cpu/finalize.cpp 's|if \(find_overflow\(arguments\)\) return;||' 'squares that overflow pass the check'
mutant finite rules/gradient.h 's|return norm_squared\(\) <= largest|return squares <= largest|' 'squares are looked at before clip and norms'
mutant finite cpu/finalize.cpp 's|if \(find_offender\(arguments\)\) return;|if (find_offender(arguments)) { advance(arguments, true); return; }|' \
  'counters advance on a refused step'
mutant finite cpu/apply.cpp 's|if \(skipped \&\& !zero\) return;|if (skipped) return;|' 'a refused step leaves its gradients'
mutant finite cpu/finalize.cpp 's/if \(phase == Phase::kReduced \&\& /if (false \&\& /' 'norms are those of the step before'
mutant finite cpu/finalize.cpp 's|norms\[i\] = sqrt_\(t\.state_of_gradient\.squares|norms[i] = sqrt_(t.state_of_gradient.m2|' 'norms about the row means'
mutant numerics rules/gradient.h 's|\(\(g - hi\) - lo\)|(g - hi)|' 'row means as one float'
mutant numerics cpu/reduce.h 's|const T first = g\[0\];|const T first = 0;|' 'sums without a shift'
mutant numerics rules/numeric.h 's|\(p - k\) \+ fma_\(r, log2_m, q\)|fma_(r, log2_m, p) - k|' "a power's exponent is rounded"
mutant numerics rules/numeric.h 's|bool first_half = n <= k - n|bool first_half = true|' 'a cosine where only its series near 0 holds'
mutant numerics cpu/pool.cpp 's|_mm_setcsr\(0x1f80\);|(void)saved_;|' "the caller's rounding mode is used"
mutant half rules/half.h 's/ \+ 0x7fff \+ \(u >> 16 \& 1\)/ + 0x8000/' 'ties of BF16 away from even'
mutant half rules/half.h 's/ \+ 0xfff \+ \(a >> 13 \& 1\)/ + 0x1000/' 'ties of F16 away from even'
mutant half rules/half.h 's/a > kInfinity \? 0x7e00/a > kInfinity + 1 ? 0x7e00/' 'a NaN becomes infinite'
mutant half rules/half.h 's/draw < fraction/draw <= fraction/' 'a subnormal drawn once too often'
mutant half rules/half.h 's/>= 0x7f7f0000/>= 0x7f800000/' 'infinity is a matter of luck'
mutant half rules/half.h 's/key = mix\(key \+ uint64_t\(t\) \+ golden\);//' 'draws keyed without the step'
mutant half rules/half.h 's/const \{$/const { return element * 0x9e3779b1u + first;/' 'draws in a pattern'
mutant mixed cpu/apply.cpp 's/if \(t\.begins\) group/if (false) group/' 'masters begin as zeros'
mutant mixed cpu/reduce.cpp 's/t\.begins = group\.half \&\& .*/t.begins = group.half;/' 'masters forgotten after every step'
mutant mixed cpu/reduce.cpp 's/if \(group\.half \&\& !t\.begins\) return/if (false) return/' 'sums over rounded weights'
mutant mixed cpu/apply.cpp 's/if \(group\.half \&\& moved\)/if (group.half)/' 'idle weights are drawn again'
mutant mixed cpu/apply.cpp 's/t\.number, group_step, begin\}/t.number, group_step, 0}/' 'every block has the same draws'
mutant mixed cpu/apply.cpp 's/element_bytes\(t\.gradient_dtype\);$/4;/' 'gradients zeroed as floats'
mutant bits cpu/kernels.cpp 's/size_t i = first \* kWidth; i < n/size_t i = 0; i < n/' 'every part of a sum reads the first lanes'
mutant nsgd cpu/power.cpp 's|sum\.total\(\) / double\(p\.input\.samples\)|sum.total()|' 'the power of a batch, not of a sample'
mutant nsgd cpu/power.cpp 's|first \+ i < end; \+\+i|first + i + 1 < end; ++i|' 'a thread leaves out its last part of an input'
mutant nsgd cpu/power.cpp 's|mean >= 0 \&\& mean <= |mean <= |' 'a negative power is taken'
mutant nsgd cpu/power.cpp 's|if \(t\.powered >= 0\) powered_.*bound = false;|;|' 'an input that cannot be taken back'
mutant nsgd rules/power.h 's|q \+ \(x < 0 \? -x : x\)|q + x|' 'a power of l1 with signs'
mutant nsgd rules/power.h 's|rest < run \? rest : run|run|' 'the last part of an input reads on'
mutant nsgd rules/nsgd.h 's/first \|\| a\.input_beta == 0 \? mean/a.input_beta == 0 ? mean/' 'the average of powers begins at zero'
mutant nsgd rules/nsgd.h 's|max_\(log_above_one\(power\), a\.eps\)|log_above_one(power) + a.eps|' "log's eps is added"
mutant nsgd rules/nsgd.h 's|T\(first \? 1 : 1 - a\.dampening\)|T(1 - a.dampening)|' "dampening on NSGD's first step"
mutant allocation cpu/plan.cpp 's/  for \(auto& list : spans_\) list\.clear\(\);/  for (auto\& list : spans_) std::vector<Span>().swap(list);/' 'shares begin anew'
mutant allocation core/abi.cpp 's/^    plan->step\(a\);/    char* volatile kept = new char[8]; delete[] kept; plan->step(a);/' 'scratch memory of a step'

[ $failures = 0 ] || { echo "mutants: $failures of $count FAILED"; exit 1; }
echo "mutants: all $count noticed"
