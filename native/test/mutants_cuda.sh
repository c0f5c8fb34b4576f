#!/bin/bash
# mutants_cuda.sh CXX TEST_FOLDER [WORDS] - proof that the emulator's tests bite: breaks a copy of the CUDA backend in one
# place after the other, and fails if the test that is named for it passes on the broken copy, or if the place is no
# longer there to break. TEST_FOLDER has the built tests. With WORDS only the mutants whose description contains them.
#
# Not among them, because no test on an x86-64 machine can notice: a missing fence(), and load_fresh() that reads through
# the L1 cache (here memory is in order and coherent); afresh(), fetch_again() and the cache hints, which change registers
# and speed (gates_cuda.sh watches registers).
set -euo pipefail
native=$(cd "$(dirname "$0")/.." && pwd)
cxx=$1 tests=$2 only=${3:-}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/native" "$copy/objects"
cp -r "$native/core" "$native/cuda" "$native/include" "$native/rules" "$native/test" "$copy/native"

compile() { # SOURCE
  "$cxx" -std=c++20 -O1 -w -fPIC -fvisibility=hidden -ffp-contract=off -DGATUN_BUILD -DGATUN_FAULTS \
    -DGATUN_TARGET=emulated -I"$copy/native" -I"$copy/native/include" -I"$copy/native/test" \
    -I"$copy/native/test/emulator" -x c++ -c "$copy/native/$1" -o "$copy/objects/$(basename "$1").o" 2>>"$copy/log"
}
# The tests find the library by the name they were linked with.
build() { # [FILE]; only it, if it is a source, else what has the kernels
  local source running=()
  case ${1:-} in
    *.cu) compile "$1" || return ;;
    cuda/all_rules.cuh) compile cuda/plan.cu || return ;;
    *)
      for source in "${kernels[@]}"; do compile "$source" & running+=($!); done
      for source in "${running[@]}"; do wait "$source" || return; done
      ;;
  esac
  "$cxx" -shared "$copy"/objects/*.o -o "$copy/libgatun_cuda_emulated.so"
}
run() {
  LD_LIBRARY_PATH=$copy GATUN_TEST_SLOW_BUILD=1 timeout 600 "$tests/${1}_test" "$copy/libgatun_cuda_emulated.so" \
    >"$copy/log" 2>&1
}
kernels=(cuda/plan.cu)
for part in "$native"/cuda/kernels_*.cu; do kernels+=("cuda/$(basename "$part")"); done
for source in cuda/backend.cu cuda/description.cu cuda/tickets.cu cuda/traffic.cu test/emulator/simt.cpp \
  test/emulator/runtime.cpp test/emulator/memory.cpp; do
  compile $source || { cat "$copy/log"; exit 1; }
done
build || { cat "$copy/log"; exit 1; }
cp -r "$copy/objects" "$copy/unbroken"
run cuda_plan || { cat "$copy/log"; echo "mutants_cuda: cuda_plan fails without any mutation"; exit 1; }

failures=0 count=0
mutant() { # TEST FILE SED_EXPRESSION WHAT; the expression sees the whole file as one line
  [[ $4 =~ $only ]] || return 0
  count=$((count + 1))
  sed -z -i -E "$3" "$copy/native/$2"
  if cmp -s "$native/$2" "$copy/native/$2"; then
    echo "mutants_cuda: nothing to break for \"$4\": $2 has changed, adapt its line here"
    failures=$((failures + 1))
    return
  fi
  : >"$copy/log"
  if ! build "$2"; then
    tail -5 "$copy/log"
    echo "mutants_cuda: \"$4\" does not compile"
    failures=$((failures + 1))
  elif run "$1"; then
    echo "mutants_cuda: \"$4\" was not noticed by $1"
    failures=$((failures + 1))
  else
    echo "noticed by $1: $4 ($(grep -m1 -o 'SIMT emulator: .*\|differ.*failed: .*' "$copy/log" | cut -c1-110 || true))"
  fi
  cp "$native/$2" "$copy/native/$2"
  cp "$copy"/unbroken/*.o "$copy/objects"
}

mutant cuda_bits cuda/reduce.cuh 's/(fence\(\);\n)  GATUN_BARRIER\(\);\n(  count_arrivals)/\1\2/' 'no barrier before arrivals are counted'
mutant cuda_bits cuda/reduce.cuh 's/(count_arrivals\(tables, shared\);\n)  GATUN_BARRIER\(\);/\1/' 'no barrier after arrivals are counted'
mutant cuda_bits cuda/sums.cuh 's/(tile\[1\]\[k\] = x\.b;\n    \}\n)    GATUN_BARRIER\(\);/\1/' 'no barrier before staged values are added'
mutant cuda_bits cuda/sums.cuh 's/(\[which\]\[k\];\n)    GATUN_BARRIER\(\);/\1/' 'no barrier after staged values are added'
mutant cuda_bits cuda/sums.cuh 's/(total\[which\] = sum;\n  \}\n)  GATUN_BARRIER\(\);/\1/' 'no barrier before a total is read'
mutant cuda_bits cuda/finalize.cuh 's/(if \(thread_index\(\) == 0\) \{\n)(    shared\.last)/\1    GATUN_BARRIER();\n\2/' 'a barrier in a divergent branch'
mutant cuda_bits cuda/sums.cuh 's/if \(i \+ e < n\) body/if (i < n) body/' 'elements behind the tail are counted'
mutant cuda_bits cuda/sums.cuh 's/\(x\[0\] \+ x\[2\]\) \+ \(x\[1\] \+ x\[3\]\)/(x[0] + x[1]) + (x[2] + x[3])/' 'another order of lanes'
mutant cuda_bits cuda/sums.cuh 's/shared\.tile\[which\]\[k\];/shared.tile[which][count - 1 - k];/' 'another order of chunks'
mutant cuda_bits cuda/sums.cuh 's/0xffu << \(thread % kWarp/0xffu << (thread % kWarp * 0/' 'a shuffle with another team'
mutant cuda_bits cuda/reduce.cuh 's/    tables\.arrived\[tensor\] = 0;\n//' 'a counter of chunks is not reset'
mutant cuda_bits cuda/finalize.cuh 's/if \(shared\.last\) \*tables\.blocks_done = 0;//' 'the counter of blocks is not reset'
mutant cuda_bits cuda/reduce.cuh 's/int64_t\(before\) \+ run == /int64_t(before) + run + 1 == /' 'a tensor is merged one chunk early'
mutant cuda_bits cuda/reduce.cuh 's/while \(team \+ run < kTeams/while (false \&\& team + run < kTeams/' 'a run of chunks is counted once'
mutant cuda_bits cuda/reduce.cuh 's/rest > 0; rest -= kChunk/rest > kChunk; rest -= kChunk/' 'the last part of a row is left out'
mutant cuda_bits cuda/reduce.cuh 's/base \+= block_count\(\) \* kTeams\)/base += block_count() * kTeams + kTeams)/' 'chunks between two blocks are left out'
mutant cuda_bits cuda/apply.cuh 's/n - n % kWidth : 0/n - n % kWidth + kWidth : 0/' 'one vector too far'
mutant cuda_bits cuda/apply.cuh 's/i < n; i \+= kThreads\) body/i < n - 1; i += kThreads) body/' 'the last element is left out'
mutant cuda_bits cuda/apply.cuh 's/chunk >= tables\.first_chunk/chunk > tables.first_chunk/' 'the first chunk is left out'
mutant cuda_bits cuda/apply.cuh 's/ \&\& range\.begin % kVector<T> == 0//' 'vectors off their borders'
mutant cuda_bits cuda/apply.cuh 's/(average_slot \+ a\]\), int\(place\.range\.length\)), place\.aligned\(\)/\1, false/' 'passes give threads different elements'
mutant cuda_bits cuda/apply.cuh 's/\+\+i == row_length/++i > row_length/' 'the first element of a row has the former mean'
mutant cuda_bits cuda/finalize.cuh 's/if \(!judge\(tables, shared\)\) return;/judge(tables, shared);/' 'a refused step counts'
mutant cuda_bits cuda/finalize.cuh 's/    if \(overflows\(tables, shared\)\) return;\n//' 'squares that overflow pass the check'
mutant cuda_bits cuda/finalize.cuh 's/  advance_groups\(tables\);\n\}\n\n\}/}\n\n}/' 'a group does not count its steps'
mutant cuda_bits cuda/finalize.cuh 's/lower_to\(\&shared\.offender, int32_t\(i\)\)/shared.offender = int32_t(i)/' 'the last offender is named'
mutant cuda_bits cuda/rule_sums.cuh 's/if \(i \+ e >= n\) continue;//' "elements behind the tail are in a rule's sums"
mutant cuda_bits cuda/rule_sums.cuh 's/fma_\(double\(a\[k\]\), double\(b\[k\]\)/fma_(double(a[k] * b[k]), 1.0/' "a rule's products are formed in T"
mutant cuda_bits cuda/rule_sums.cuh 's/T\(again \? place\.step\.scale : tables\.values\[0\]\)/T(tables.values[0])/' "a rule's sums do not see the transformation"
mutant cuda_bits cuda/rule_sums.cuh 's/\{\*t\.steps \+ 1,/{*t.steps,/' "a rule's sums are those of the step before"
mutant cuda_bits cuda/rule_sums.cuh 's/tables\.arrived\[tensor\] = 0;/;/' "a counter of chunks is not reset after a rule's sums"
mutant cuda_bits cuda/finalize.cuh 's/group\.pools == 0 \|\| //' 'sums of other groups are pooled'
mutant cuda_bits cuda/finalize.cuh 's/  pool\(tables, shared\);\n//' 'sums are not pooled'
mutant cuda_bits cuda/finalize.cuh 's/else if \(tables\.report->skipped != 0\)/else if (false)/' 'a refused step counts where gradients are transformed'
mutant cuda_bits cuda/plan.cu 's/    tables\.again = 1;\n//' 'sums of transformed gradients are taken before the transformation'
mutant cuda_bits cuda/all_rules.cuh 's/i < input\.geometry\.parts; i \+= kWarp/i + 1 < input.geometry.parts; i += kWarp/' "the last part of an input is left out"
mutant cuda_bits cuda/power.cuh 's/\(x < size\) return/(x <= size) return/' "a row's first element has the factor behind the one before"
mutant cuda_bits cuda/power.cuh 's/part\.planes; \+\+plane, x \+= part\.stride\)/part.planes; ++plane, x += part.length)/' 'planes of other channels are summed'
mutant cuda_bits cuda/finalize.cuh 's/  if \(\(tables\.flags \& GATUN_CHECK_FINITE\) != 0\) judge_powers\(tables, shared\);\n//' "an input's NaN is not seen"
mutant cuda_bits cuda/power.cuh 's/, \*t\.steps == 0, powers\)/, false, powers)/' 'the first input is mixed with no power'
mutant cuda_plan cuda/inputs.h 's/needed > capacity_/capacity_ == 0/' 'memory for parts does not grow'
mutant cuda_plan cuda/plan.cu 's/ \|\| plan->inputs\.stale\)/)/' 'new inputs are captured'
mutant cuda_bits cuda/row_sums.cuh 's/  largest = block_largest[^\n]*\n//' 'every thread goes by the largest of its own rows'
mutant cuda_bits cuda/row_sums.cuh 's/i < count; \+\+i/i + 1 < count; ++i/' "the last part of a row is not in its sums"
mutant cuda_bits cuda/rule_sums.cuh 's/, mean \+= centered\)/)/' "all rows' sums are taken about the first row's mean"
mutant cuda_bits cuda/apply.cuh 's/drop\.v\[e\]/drop.v[0]/' 'elements at the border of rows share a factor'
mutant cuda_bits cuda/fused.cuh 's/while \(look_at/while (false \&\& look_at/' 'an update does not wait for its window'
mutant cuda_bits cuda/fused.cuh 's/waiting < 0 \&\& chunk/waiting < 0 \&\& false \&\& chunk/' 'a tensor that waits for nothing is not finished'
mutant cuda_bits cuda/fused.cuh 's/standardize\(tables, tensor, 0\);/;/' 'a fused gradient is not transformed'
mutant cuda_bits cuda/all_rules.cuh 's/tables\.counters\[i\] = 0;/;/' 'counters of tickets and windows are not reset'
mutant cuda_bits cuda/all_rules.cuh 's/if \(tables\.fused \&\& [^;]*continue;//' 'what is fused is advanced twice'
mutant cuda_bits cuda/all_rules.cuh 's/ \&\& !tables\.fused\) advance_groups/) advance_groups/' 'groups count a fused step twice'
mutant cuda_bits cuda/tickets.cu 's/(tickets\.push_back\(int32_t)/tickets.push_back(~int32_t(units.size()));\1/' 'a window is updated before it is summed'
mutant cuda_bits cuda/tickets.cu 's/  update\(\);\n  range/  range/' 'the last window is not updated'
mutant cuda_bits cuda/plan.cu 's/ \&\& d\.clips == 0//' 'a step with a clip is fused'
mutant cuda_bits cuda/plan.cu 's/ \&\& d\.pooling == 0//' 'a step with pooled sums is fused'
mutant cuda_bits cuda/plan.cu 's/ \&\& !never_fuses//' 'a step with sums of F64 is fused'
mutant cuda_bits cuda/plan.cu 's/ \&\& \(flags \& GATUN_CHECK_FINITE\) == 0\) return run_fused/) return run_fused/' 'a checked step is fused'
mutant cuda_bits cuda/plan.cu 's/= next_ticket\+\+/= next_ticket/' 'launches share a counter of tickets'
mutant cuda_bits cuda/elements.cuh 's/if \(dtype == GATUN_BF16\) \{/if (dtype != GATUN_BF16) {/' 'BF16 is read as F16'
mutant cuda_bits cuda/apply.cuh 's/key, uint32_t\(begin \+ i\)\)/key, uint32_t(i))/' "a chunk draws what the first one draws"
mutant cuda_bits cuda/apply.cuh 's/round\(x\.v\[e\], first \+ e\)/round(x.v[e], first)/' 'elements of a vector share a draw'
mutant cuda_bits cuda/apply.cuh 's/place\.step\.group_step, group\.weight_dtype/*place.t.steps, group.weight_dtype/' "draws go by the tensor's step"
mutant cuda_bits cuda/finalize.cuh 's/if \(!idle \|\| synchronizes\) master/if (!idle) master/' 'a weight that only its look-ahead moved is not rounded'
mutant cuda_bits cuda/finalize.cuh 's/group\.moves_idle != 0 \? group_step == 1 : first/first/' "a master begins at its tensor's first step where an average follows it before"
mutant cuda_bits cuda/rule_sums.cuh 's/return \(begins \? weights : masters\)/return (masters)/' "a rule's first sums are of masters that have not begun"
mutant cuda_bits cuda/elements.cuh 's/halves\(\) \? sizeof\(uint16_t\) : sizeof\(T\)/sizeof(T)/' 'chunks of halves begin where those of F32 do'
mutant cuda_bits cuda/elements.cuh 's/return store_once\(half\(\) \+ i, Pack<uint16_t, n>\{\}\);/return store_once(whole() + i, Pack<T, n>{});/' 'twice as much of a gradient of halves is cleared'
mutant cuda_bits cuda/description.cu 's/ \&\& reinterpret_cast<uintptr_t>\(t\.half\) % 8 == 0//' 'vectors of halves off their borders'
mutant cuda_plan cuda/plan.cu 's/ \&\& \(gradient == nullptr \|\| bound\.dtype == dtype\)//' "a gradient's new type is not taken over"
mutant cuda_plan cuda/plan.cu 's/if \(uploads >= kSlots\)/if (false)/' 'pinned memory is reused too early'
mutant cuda_plan cuda/plan.cu 's/std::max\(plan->stale_end, i \+ 1\)/i + 1/' 'an address that changed is not copied'
mutant cuda_plan cuda/plan.cu 's/if \(pinned != nullptr\) end/if (false) end/' 'pinned memory is not freed'

[ "$count" -gt 0 ] || { echo "mutants_cuda: no mutant is called \"$only\""; exit 1; }
echo "mutants_cuda: $((count - failures)) of $count noticed"
[ $failures = 0 ]
