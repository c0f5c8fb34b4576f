#!/bin/bash
# test.sh BUILD_FOLDER - run.sh does what its README says where there is no GPU: every stage starts, reports, and fails or is
# skipped as it should; over the emulated GPU all of them work, and no number of theirs is shown. BUILD_FOLDER is CMake's,
# with the C++ tests and native/bench built. Exits with 77 where there is no python3.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
build=$(cd "$1" && pwd)
command -v python3 >/dev/null || { echo "test.sh: skipped, no python3 here"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# What build-native.sh --output leaves, as links: run.sh --native takes such a folder.
native=$scratch/native
mkdir -p "$native"
ln -s "$build" "$native/build"
for file in libgatun.so libgatun_cuda.so abi_dump; do
  [ ! -e "$build/$file" ] || ln -s "$build/$file" "$native/$file"
done

failures=0
check() { # WHAT COMMAND...
  local what=$1
  shift
  "$@" >"$scratch/check" 2>&1 || { failures=$((failures + 1)); echo "test.sh: FAILED: $what"; sed 's/^/  /' "$scratch/check"; }
}
# Runs run.sh with a python and PATH of our choice; status has its exit code, and $scratch/NAME what it left.
status=0
start() { # NAME ARGUMENTS...
  local name=$1
  shift
  status=0
  "$here/run.sh" --out "$scratch/$name" "$@" >"$scratch/$name.txt" 2>&1 || status=$?
}
says() { grep -qF -- "$2" "$scratch/$1.txt"; }
result() { # NAME STAGE RESULT
  python3 - "$scratch/$1/results.json" "$2" "$3" <<'PYTHON'
import json, sys
found = {r["stage"]: r["status"] for r in json.load(open(sys.argv[1]))["records"] if r["kind"] == "stage"}
sys.exit(found.get(sys.argv[2]) != sys.argv[3] and f"stage {sys.argv[2]} is {found.get(sys.argv[2])}, not {sys.argv[3]}: {found}")
PYTHON
}

# --- wrong use
start wrong --stages bits,nonsense
check "an unknown stage is named" says wrong "'nonsense' is none of build"
check "wrong use exits with 2" [ $status = 2 ]
start wrong --minutes soon
check "minutes must be a number" says wrong "--minutes soon: must be a number"

# --- no GPU: only where there is really none
if [ -e "$native/libgatun_cuda.so" ] && ! "$build/bench/gpu_capture" "$build/libgatun_cuda.so" --only device >/dev/null; then
  start none --native "$native" --stages bits,sanitizer,junit,capture,times,torch --minutes 10
  for stage in bits sanitizer junit capture times torch; do
    check "without a GPU $stage is skipped" result none $stage skipped
  done
  check "the reason is CUDA's" says none "no CUDA device: counting CUDA devices"
  check "without a GPU run.sh exits with 3" [ $status = 3 ]
fi
start unbuilt --native "$scratch/empty" --stages bits
check "a stage without a build fails" result unbuilt bits failed
check "and says what to do" says unbuilt "run stage build first"
check "a failed stage exits with 1" [ $status = 1 ]

# --- emulated: everything works, no number is shown
start emulated --native "$native" --emulated --stages 1,2,5,6,torch --minutes 15
for stage in build bits capture; do check "emulated $stage" result emulated $stage passed; done
check "emulated exits with 0" [ $status = 0 ]
check "files: records, log, results" [ "$(find "$scratch/emulated" -type f | wc -l)" = 4 ]
check "numbers are marked" grep -q "emulated: not a measurement" "$scratch/emulated/results.md"
check "no target counts as measured" [ "$(grep -c 'not measured' "$scratch/emulated/results.md")" -ge 9 ]
check "no number is in results.json" sh -c "! grep -E '_us|gb_per_s|share_of|ratio_to' '$scratch/emulated/results.json'"
start cut --native "$native" --emulated --stages bits --minutes 0
check "a stage without time is cut off" result cut bits "cut off"

# --- a machine that has everything, as far as this script can tell: its card is a script, its CUDA library the emulator
machine=$scratch/machine
mkdir -p "$machine/bin" "$machine/native/build/bench" "$machine/native/build/test"
script() { printf '#!/bin/bash\n%s\n' "$2" >"$machine/$1" && chmod +x "$machine/$1"; }
script bin/nvidia-smi 'case "$*" in *compute_cap*) echo "NVIDIA Imaginary, 580.1, 1 MiB, 9.0" ;; *) echo "1 MHz" ;; esac'
script bin/compute-sanitizer 'while [[ $1 == --* ]]; do shift 2; done; exec "$@"'
script native/build/test/cuda_device_test 'echo "cuda_bits: ok"'
script bin/mvn 'exit 1' # this machine has no Java, or making it a bundle would take longer than all the rest
for name in bits capture times; do
  script "native/build/bench/gpu_$name" "exec '$build/bench/gpu_${name}_emulated' \"\$@\" --lists tiny --optimizers 'adamw()'"
done
ln -s "$build/libgatun.so" "$build/abi_dump" "$machine/native"
ln -s "$build/test/libgatun_cuda_emulated.so" "$machine/native/libgatun_cuda.so"
PATH=$machine/bin:$PATH start card --native "$machine/native" --stages 2,3,5 --minutes 15
for stage in bits sanitizer capture; do check "with a card $stage" result card $stage passed; done
check "the card is named" grep -q "NVIDIA Imaginary; driver 580.1" "$scratch/card/results.md"
check "all four tools looked" [ "$(grep -c 'cuda_device_test | passed' "$scratch/card/results.md")" = 4 ]
check "with a card run.sh exits with 0" [ $status = 0 ]
PATH=$machine/bin:$PATH start card --native "$machine/native" --stages times --bundle "$scratch/none" --minutes 15
check "times that are not the card's are refused" says card "a time of 'SIMT emulator' in a run on 'NVIDIA Imaginary'"
check "and their pages are gone" [ ! -e "$scratch/card/results.md" ]
check "and run.sh exits with 1" [ $status = 1 ]
script native/build/bench/gpu_capture 'case "$*" in *device*) ;; *) echo "something else"; exit 5 ;; esac'
PATH=$machine/bin:$PATH start broken --native "$machine/native" --stages 3,5 --minutes 15
check "a sanitizer that complains fails its stage" result broken sanitizer failed
check "and is named" says broken "(exit code 5: FAILED: synccheck: captured steps"
check "a program that fails fails its stage" result broken capture failed
script native/build/bench/gpu_capture 'case "$*" in *device*) ;; *) sleep 60 ;; esac'
PATH=$machine/bin:$PATH start slow --native "$machine/native" --stages capture --minutes 0.05
check "a program that does not end is cut off" result slow capture "cut off"

# --- results.py refuses numbers of no card, and does not leave an older page behind
refuses() { # RECORDS...
  mkdir -p "$scratch/refused"
  printf '%s\n' "$@" >"$scratch/refused/records.jsonl"
  touch "$scratch/refused/results.md"
  ! python3 "$here/results.py" "$scratch/refused" 2>"$scratch/refused.txt" && says refused refused && [ ! -e "$scratch/refused/results.md" ]
}
run='{"stage": "run", "kind": "run", "run": "r1", "date": "d", "card": "NVIDIA H200"}'
step='"stage": "times", "kind": "step", "optimizer": "adamw()", "list": "50m", "design": "two", "graph_us": 325.5'
check "a number without a run" refuses "{$step, \"run\": \"r2\", \"device\": \"NVIDIA H200\"}" "$run"
check "a number of another device" refuses "$run" "{$step, \"run\": \"r1\", \"device\": \"SIMT emulator\"}"
check "a number without a card" refuses "${run/NVIDIA H200/}" "{$step, \"run\": \"r1\", \"device\": \"\"}"
check "two cards" refuses "$run" "${run//r1/r2}" "${run//H200/B200}"
check "a damaged line" refuses "$run" "{$step"
mkdir -p "$scratch/accepted"
printf '%s\n' "$run" "{$step, \"run\": \"r1\", \"device\": \"NVIDIA H200\", \"share_of_copy\": 0.95}" >"$scratch/accepted/records.jsonl"
printf '{"stage": "times", "ki' >>"$scratch/accepted/records.jsonl" # cut off while it was written
check "a number of the card" python3 "$here/results.py" "$scratch/accepted"
check "meets its target" grep -q '95.0 % | \*\*yes\*\*' "$scratch/accepted/results.md"

# --- Python's steps are those of the C++ programs, on the CPU
check "gatun.py takes steps" python3 "$here/gatun_test.py" "$native"

[ $failures = 0 ] || { echo "test.sh: $failures checks FAILED"; for f in "$scratch"/*.txt; do echo "== $f"; tail -15 "$f"; done; exit 1; }
echo "test.sh: ok"
