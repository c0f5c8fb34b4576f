#!/bin/bash
# gates.sh LIBRARY SCALAR_OBJECT AVX2_OBJECT AVX512_OBJECT - what the compiler must have made of the sources. A loop that
# silently stopped being vectorised still passes every other test; so does code that one instruction set's object lends to
# another (and that then crashes on an older CPU).
set -euo pipefail
[ $# -eq 4 ] || { echo "usage: gates.sh LIBRARY SCALAR_OBJECT AVX2_OBJECT AVX512_OBJECT" >&2; exit 2; }
library=$1 header=$(dirname "$0")/../include/gatun.h
for tool in objdump nm awk; do
  command -v $tool >/dev/null || { echo "gates: skipped, $tool is not here (package binutils)"; exit 77; }
done
failures=0
fail() { echo "gates: $*" >&2; failures=$((failures + 1)); }

# 1. Every loop over a rule and every sum: full registers, packed division and square root where the rule has them, no
#    call, no gather, and no insert (the trace of lanes loaded one by one).
loops() { # OBJECT REGISTER LEAST_RULE_LOOPS
  objdump -d -C --no-show-raw-insn "$1" | awk -v register="%$2" -v least="$3" -v object="$2" '
    function verdict() {
      if (name == "") return
      if (!packed) bad("has no packed arithmetic on " register)
      if (name ~ /Rule<1>/ && !division) bad("has no packed division on " register)
      if (name ~ /Rule<1>/ && !root) bad("has no packed square root on " register)
      if (inserts) bad("loads lanes one by one: " inserts " inserts")
      if (gathers) bad("gathers or scatters")
      if (calls) bad("calls " callee)
    }
    function bad(what) { print name " " what; wrong = 1 }
    /^[0-9a-f]+ <.*>:$/ {
      verdict()
      name = $0; sub(/^[0-9a-f]+ </, "", name); sub(/>:$/, "", name)
      packed = division = root = inserts = gathers = calls = 0
      if (name ~ /Rule</) rules++
      else if (name ~ /(squares|rows|row_part)</) sums++
      else name = ""
    }
    name == "" { next }
    /\t *v(fn?m(add|sub)[0-9]*|add|mul|sub)p[sd] / && index($0, register) { packed = 1 }
    /\tvdivp[sd] / && index($0, register) { division = 1 }
    /\tvsqrtp[sd] / && index($0, register) { root = 1 }
    /\tv(insertps|pinsr[bwdq]) / { inserts++ }
    /\tvp?(gather|scatter)/ { gathers++ }
    /\tcall/ { if ($0 !~ /__stack_chk_fail/) { calls++; callee = $NF } }
    END {
      verdict()
      if (rules < least) { print rules + 0 " loops over rules found in the object with " object ", expected " least; wrong = 1 }
      if (sums < 6) { print sums + 0 " sums found in the object with " object ", expected 6"; wrong = 1 }
      exit wrong
    }'
}
# two types of (three forms of SGD and four of Adam)
for check in "$3 ymm 14" "$4 zmm 14"; do
  bad=$(loops $check) || fail "$bad"
done

# 2. Each object keeps to its namespace, and needs no libm (the scalar one may: a CPU without FMA instructions).
isolated() { # OBJECT ISA ALLOWED_UNDEFINED
  local name
  while read -r name; do
    [[ $name == _ZN5gatun${#2}$2* ]] || fail "$2: $name is visible outside the namespace gatun::$2"
  done < <(nm -g --defined-only "$1" | awk '{print $NF}')
  while read -r name; do
    [[ $name =~ ^(memcpy|memset|memmove|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|$3)$ ]] || fail "$2: needs $name"
  done < <(nm -u "$1" | awk '{print $NF}')
}
isolated "$2" scalar 'fmaf?'
isolated "$3" avx2 memcpy
isolated "$4" avx512 memcpy

# 3. The library exports what gatun.h declares and nothing else, and runs where glibc is 2.35 (Ubuntu 22.04) or newer.
declared=$(grep -o 'GATUN_API [^;(]*(' "$header" | grep -o 'gatun_[a-z_]*(' | tr -d '(' | sort)
exported=$(nm -D --defined-only "$library" | awk '{print $NF}' | sort)
[ "$declared" = "$exported" ] || fail "exports differ from gatun.h: $(comm -3 <(echo "$declared") <(echo "$exported") | tr '\n\t' '  ')"
newest=$(objdump -T "$library" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1)
[ "$(printf '%s\n' "$newest" GLIBC_2.35 | sort -V | tail -1)" = GLIBC_2.35 ] || fail "needs $newest; at most GLIBC_2.35 is allowed"
if needed=$(objdump -p "$library" | awk '/NEEDED/ {print $2}' | grep -vE '^(libc|libm|ld-linux-x86-64)\.so'); then
  fail "needs $needed"
fi

[ $failures = 0 ] || exit 1
echo "gates: ok, newest symbol $newest"
