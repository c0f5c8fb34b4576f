#!/bin/bash
# gates_cuda.sh NVCC SOURCE:... INCLUDE_FOLDER:... NVCC_OPTIONS... - what nvcc must have made of every kernel for every card: no
# stack, no spills, registers within the launch bound, 16-byte accesses, and only arithmetic that IEEE 754 rounds. Needs
# no GPU. With cuobjdump it looks at the machine code, too.
set -euo pipefail
[ $# -ge 3 ] || { echo "usage: gates_cuda.sh NVCC SOURCE:... INCLUDE_FOLDER:... NVCC_OPTIONS..." >&2; exit 2; }
nvcc=$1 sources=$2 includes=$3
shift 3
command -v "$nvcc" >/dev/null || { echo "gates_cuda: skipped, nvcc is not here"; exit 77; }
tools=$(dirname "$(readlink -f "$(command -v "$nvcc")")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
IFS=: read -ra folders <<<"$includes"
IFS=: read -ra files <<<"$sources"

compile() { # CARD SOURCE NVCC_OPTIONS...
  local card=$1 source=$2
  local to=$work/$card.$(basename "$source" .cu)
  shift 2
  "$nvcc" -std=c++20 -O3 "$@" -arch="sm_$card" -ptx "$source" -o "$to.ptx"
  "$tools/ptxas" -v -arch="sm_$card" "$to.ptx" -o "$to.cubin" 2>"$to.ptxas"
}

check() { # CARD NAME
  local card=$1 to=$work/$1.$2

  # 1. ptxas: stack, spills, registers; the bound is what the launch bounds leave of 65,536 registers.
  awk -v card="$card" '
    FNR == NR {  # the PTX: which kernel wants how many blocks
      if (match($0, /\.entry [A-Za-z0-9_]+/)) name = substr($0, RSTART + 7, RLENGTH - 7)
      if ($1 == ".minnctapersm") bound[name] = int(65536 / 256 / ($2 + 0) / 8) * 8
      next
    }
    /Compiling entry function/ { split($0, part, "\x27"); kernel = part[2]; kernels++ }
    /bytes stack frame/ && $0 !~ /^ *0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads/ { bad($0) }
    /Used [0-9]+ registers/ {
      match($0, /Used [0-9]+/); used = substr($0, RSTART + 5, RLENGTH - 5) + 0
      if (!(kernel in bound)) bad("has no launch bounds")
      else if (used > bound[kernel]) bad(used " registers, more than " bound[kernel])
      printf "sm_%s %3d registers of %2d  %s\n", card, used, bound[kernel], kernel
    }
    function bad(what) { print "gates_cuda: sm_" card " " kernel ": " what > "/dev/stderr"; wrong = 1 }
    END { if (!kernels) bad("no kernels"); exit wrong }
  ' "$to.ptx" "$to.ptxas" || failures=1

  # 2. PTX: what each kernel is made of.
  awk -v card="$card" '
    function bad(what) { print "gates_cuda: sm_" card " " kernel ": " what > "/dev/stderr"; wrong = 1 }
    function verdict() {
      if (kernel == "") return
      if (kernel ~ /k_(apply|fused)/) {
        type = kernel ~ /EEE?Li[0-9]+EdEE/ ? "v2.f64" : "v4.f32"
        if (seen["ld.global.cs." type] < 2) bad("loads of weight and gradient are not " type)
        if (seen["st.global.cs." type] < 2) bad("stores are not " type)
        if (type == "v4.f32" && (!halves["ld.global.cs"] || !halves["st.global.cs"]))
          bad("BF16 and F16 are not loaded and stored four at once")
        if (kernel ~ /RuleILi1E/) {
          float = type == "v2.f64" ? "f64" : "f32"
          if (!seen["div.rn." float] || !seen["sqrt.rn." float]) bad("has no IEEE division or root in " float)
          if (seen["ld.global.cs." type] < 4) bad("loads of state are not " type)
        }
      }
      if (kernel ~ /k_reduce/ && (!seen["ld.global.cg.v4.f32"] || !seen["ld.global.cg.v2.f64"]))
        bad("loads of gradients are not 16 bytes wide")
      if (kernel ~ /k_reduce/ && !halves["ld.global.cg"]) bad("loads of BF16 and F16 are not of four at once")
      if (kernel ~ /k_fused/ && !seen["ld.global.cg.v4.f32"]) bad("loads of gradients to be summed are not v4.f32")
      if (kernel ~ /k_traffic/) {  # written, then only read: all of them on their way at once
        split(kernel, part, /Li|E/)
        if (seen["ld.global.cs.v4.f32"] != part[2] + part[4] || seen["st.global.cs.v4.f32"] < part[2])
          bad("does not load and store each array 16 bytes at a time")
      }
      if (kernel ~ /k_(reduce|fused)/ && !seen["fma.rn.f64"]) bad("has no fma in its sums")
    }
    match($0, /\.entry [A-Za-z0-9_]+/) {
      verdict()
      kernel = substr($0, RSTART + 7, RLENGTH - 7)
      delete seen
      delete halves
    }
    kernel == "" || $1 ~ /^[.{}()\/]/ && $1 !~ /^\.local/ { next }
    {
      op = $1 ~ /^@/ ? $2 : $1
      sub(/;$/, "", op)
      seen[op]++
      if (op ~ /\.v2\.[bu]32$/) halves[substr(op, 1, length(op) - 7)]++
      # Through a cache that nobody keeps coherent, while other blocks write what is to be read.
      if (kernel ~ /k_fused/ && op ~ /^ld\.global\.nc/) bad("a load of what does not change: " op)
      if ($0 ~ /__local_depot/ || op ~ /^(ld|st)\.local/) bad("local memory: " $0)
      if (op ~ /^(atom|red)\..*\.(f16|bf16|f32|f64)/) bad("a floating-point atomic: " op)
      if (op ~ /\.(approx|full|ftz)/) bad("arithmetic that is not IEEE: " op)
      if (op ~ /^(add|sub|mul|fma|div|sqrt|rcp)\..*f(32|64)$/ && op !~ /\.rn\./) bad("arithmetic that may be contracted: " op)
    }
    END { verdict(); exit wrong }
  ' "$to.ptx" || failures=1

  # 3. Machine code, where the tool is: 128-bit accesses in every kernel that moves arrays, nothing local.
  if [ -x "$tools/cuobjdump" ]; then
    "$tools/cuobjdump" -sass "$to.cubin" | awk -v card="$card" '
      function bad(what) { print "gates_cuda: sm_" card " " kernel ": " what > "/dev/stderr"; wrong = 1 }
      function verdict() {
        if (kernel ~ /k_(apply|reduce|fused)/ && !wide_loads) bad("no 128-bit loads")
        if (kernel ~ /k_(apply|fused)/ && !wide_stores) bad("no 128-bit stores")
        if (locals) bad("local memory")
      }
      /Function :/ { verdict(); kernel = $NF; wide_loads = wide_stores = locals = 0 }
      /LDG\.E[A-Z.]*\.128/ { wide_loads++ }
      /STG\.E[A-Z.]*\.128/ { wide_stores++ }
      / (LDL|STL)/ { locals++ }
      END { verdict(); exit wrong }' || failures=1
  fi
}

for card in ${GATUN_GATE_CARDS:-80 90 100}; do
  running=()
  for source in "${files[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || exit 1; done
    compile "$card" "$source" "$@" "${folders[@]/#/-I}" &
    running+=($!)
  done
  for process in "${running[@]}"; do wait "$process" || exit 1; done
  for source in "${files[@]}"; do check "$card" "$(basename "$source" .cu)"; done
  for kernel in k_apply k_reduce k_rule_sums k_fused k_finalize k_traffic; do
    grep -q "\.entry .*$kernel" "$work/$card".*.ptx || { echo "gates_cuda: sm_$card has no $kernel" >&2; failures=1; }
  done
done
[ $failures = 0 ] || exit 1
echo "gates_cuda: ok"
