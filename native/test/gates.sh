#!/bin/bash
# gates.sh LIBRARY SCALAR_OBJECT AVX2_OBJECT AVX512_OBJECT [CUDA_LIBRARY] - what the compiler must have made of the
# sources. A loop that silently stopped being vectorised still passes every other test; so does code that one instruction
# set's object lends to another (and that then crashes on an older CPU).
set -euo pipefail
[ $# -ge 4 ] || { echo "usage: gates.sh LIBRARY SCALAR_OBJECT AVX2_OBJECT AVX512_OBJECT [CUDA_LIBRARY]" >&2; exit 2; }
library=$1 glibc=2.34 sources=$(cd "$(dirname "$0")/../.." && pwd)
header=$sources/native/include/gatun.h
for tool in objdump nm awk; do
  command -v $tool >/dev/null || { echo "gates: skipped, $tool is not here (package binutils)"; exit 77; }
done
failures=0
fail() { echo "gates: $*" >&2; failures=$((failures + 1)); }

# 1. Every loop over a rule and every sum: full registers, packed division and square root where the rule has them, no
#    call, no gather, and no insert (the trace of lanes loaded one by one).
loops() { # OBJECT REGISTER LEAST_RULE_LOOPS
  objdump -d -C --no-show-raw-insn "$1" | awk -v register="%$2" -v least="$3" -v object="$2" \
    -v registered="$(grep -c '^  RULE([0-9]*, ' "$header")" '
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
      if (name ~ /(finalize|before)[a-z_]*<|::weighs\(/) name = "" # scalars of a step
      else if (match(name, /Rule<[0-9]+>/)) { rules++; seen[substr(name, RSTART + 5, RLENGTH - 6)] = 1 }
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
      name = "the object for " object ":"
      if (rules < least) bad(rules + 0 " loops over rules found, expected " least)
      for (number = 0; number < registered; number++)
        if (!(number in seen)) bad("has no loop over rule " number " of gatun.h")
      if (sums < 6) bad(sums + 0 " sums found, expected 6")
      exit wrong
    }'
}
# two types of (three forms of SGD and four of Adam)
for check in "$3 ymm 14" "$4 zmm 14"; do
  bad=$(loops $check) || fail "$bad"
done

# The conversions of BF16 and F16: each function has two loops or four, so instructions are counted. A loop of draws has
# three multiplications; F16 adds floats, to round to its subnormals and to widen them.
conversions() { # OBJECT REGISTER
  objdump -d -C --no-show-raw-insn "$1" | awk -v register="%$2" '
    /^[0-9a-f]+ <.*>:$/ { name = /::widen\(/ ? "widen" : /::narrow\(/ ? "narrow" : "" }
    name == "" { next }
    index($0, register) && /\tv(pmulld|psrlvd|pslld|(add|sub)ps) / { split($0, part, "\t"); split(part[2], word, " "); n[name " " word[1]]++ }
    /\tvpinsr[bwd] / || /\tcall/ && !/__stack_chk_fail/ { print name ":" $0; wrong = 1 }
    function least(what, k) { if (n[what] < k) { print what " on " register ": " n[what] + 0 ", expected " k; wrong = 1 } }
    END {
      least("narrow vpmulld", 6); least("narrow vpsrlvd", 2); least("narrow vaddps", 2)
      least("widen vpslld", 3); if (n["widen vaddps"] + n["widen vsubps"] < 1) least("widen vaddps", 1)
      exit wrong
    }'
}
for check in "$3 ymm" "$4 zmm"; do
  bad=$(conversions $check) || fail "$check: $bad"
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

# 3. The libraries export what they promise and nothing else, run where glibc is 2.34 (RHEL 9, Ubuntu 22.04) or newer, and
#    need nothing that might not be there: no libstdc++, no CUDA toolkit, no driver.
shipped() { # LIBRARY EXPORTS
  local exported newest needed
  exported=$(nm -D --defined-only "$1" | awk '{print $NF}' | sort)
  [ "$2" = "$exported" ] || fail "$1: exports differ: $(comm -3 <(echo "$2") <(echo "$exported") | tr '\n\t' '  ')"
  newest=$(objdump -T "$1" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1)
  [ "$(printf '%s\n' "$newest" GLIBC_$glibc | sort -V | tail -1)" = GLIBC_$glibc ] ||
    fail "$1: needs $newest, above GLIBC_$glibc: $(objdump -T "$1" | grep -F "$newest)" | awk '{print $NF}' | tr '\n' ' ')"
  if needed=$(objdump -p "$1" | awk '/NEEDED/ {print $2}' |
    grep -vE '^(libc|libm|libdl|libpthread|librt|ld-linux-x86-64)\.so'); then
    fail "$1: needs $needed"
  fi
  # Where it was built must not be in it: the jars would differ from machine to machine.
  ! grep -qF "$sources" "$1" || fail "$1: has the path $sources in it"
}
shipped "$library" "$(grep -o 'GATUN_API [^;(]*(' "$header" | grep -o 'gatun_[a-z_]*(' | tr -d '(' | sort)"
[ -z "${5:-}" ] || shipped "$5" gatun_cuda_backend

[ $failures = 0 ] || exit 1
echo "gates: ok"
