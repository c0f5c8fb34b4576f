#!/bin/bash
# Proves and measures Gatun's CUDA backend on a machine with an NVIDIA GPU, in one command. README.md beside it has more.
#   --stages LIST   which of build,bits,sanitizer,junit,capture,times,torch (or their numbers 1-7), in this order; default all
#   --minutes M     the whole run ends within M minutes (default 60); each stage gets a share, and is cut off after it
#   --out DIR       where results go (default bench/results/<date>-<card>, without a card target/gpu/<date>-no-card); a
#                   folder that has results already is added to
#   --native DIR    what ./build-native.sh --test=build --output DIR has built, in the place of stage build
#   --bundle DIR    Java, its runtime and the JUnit suites, made by bundle.sh (default gpu-bundle, if this is no bundle itself)
#   --emulated      everything on the emulated GPU of the C++ tests, with tiny lists: tries this script, measures nothing
# Exit codes: 0 no stage failed, 1 one did, 2 wrong use, 3 there is no CUDA device.
set -uo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/stages.sh"

usage() { sed -n '2,10s/^# //p' "$0"; }
wrong() { echo "run.sh: $*" >&2; exit 2; }

all_stages=(build bits sanitizer junit capture times torch)
# Parts of the time. What a stage leaves goes to those behind it, so the build, without which there is nothing, may be long.
declare -A share=([build]=60 [bits]=30 [sanitizer]=14 [junit]=12 [capture]=5 [times]=14 [torch]=18)

stages=("${all_stages[@]}") minutes=60 out='' native='' bundle='' emulated=''
while [ $# -gt 0 ]; do
  case $1 in
    --stages | --minutes | --out | --native | --bundle) [ $# -ge 2 ] && [ -n "$2" ] || wrong "$1 needs a value" ;;&
    --stages)
      stages=()
      for word in ${2//,/ }; do
        if [[ $word =~ ^[1-7]$ ]]; then word=${all_stages[word - 1]}; fi
        [ "$word" != 8 ] && [ "$word" != report ] || continue # results are written after every stage
        [[ " ${all_stages[*]} " == *" $word "* ]] || wrong "--stages: '$word' is none of ${all_stages[*]}, nor 1 to 7"
        stages+=("$word")
      done
      shift ;;
    --minutes) minutes=$2; shift; [[ $minutes =~ ^[0-9]+(\.[0-9]+)?$ ]] || wrong "--minutes $minutes: must be a number" ;;
    --out) out=$2; shift ;;
    --native) native=$2; shift ;;
    --bundle) bundle=$2; shift ;;
    --emulated) emulated=1 ;;
    --help | -h) usage; exit 0 ;;
    *) wrong "unknown option '$1'; --help lists them" ;;
  esac
  shift
done
end=$((SECONDS + $(awk "BEGIN { print int(60 * $minutes) }")))

# Scratch files: in the repository, or where this user may write.
work=$root/target/gpu
mkdir -p "$work" 2>/dev/null && [ -w "$work" ] || { work=${TMPDIR:-/tmp}/gatun-gpu-$(id -u) && mkdir -p "$work"; } || exit 2
built=${native:-$work/native${emulated:+-emulated}}
mkdir -p "$built" && built=$(cd "$built" && pwd) || wrong "--native $built: cannot be used"
# Over the emulator Java runs with a bundle that is asked for: one that lies around may be older than the libraries.
if [ -z "$bundle$emulated" ]; then
  bundle=$root
  [ -d "$root/java/lib" ] || bundle=$root/gpu-bundle
fi

find_tools
find_card
if [ -z "$out" ]; then
  slug=$(tr -cs 'A-Za-z0-9\n' - <<<"${card:-no card}" | tr A-Z a-z)
  slug=${slug#nvidia-}
  out=$([ -n "$card" ] && echo "$root/bench/results" || echo "$work")/$(date -u +%F)-${slug%-}
  [ -z "$emulated" ] || out=$work/$(date -u +%F)-emulated
fi
mkdir -p "$out" && out=$(cd "$out" && pwd) && : >>"$out/records.jsonl" || wrong "--out $out: cannot be written"
export GATUN_BENCH_RUN=$(date -u +%Y%m%dT%H%M%SZ)-$$
records=$out/records.jsonl log=$out/run.log

say() { echo "$*" | tee -a "$log"; }
describe_run | tee -a "$log"
record stage run kind run run "$GATUN_BENCH_RUN" date "$(date -u +'%F %H:%M UTC')" card "$card" no_card "$no_card" \
  driver "$driver" memory "$memory" compute "$compute" nvcc "$nvcc_version" commit "$commit" stages "${stages[*]}" \
  emulated "${emulated:+true}"

# Runs one stage within its share, and keeps how it ended. A stage ends with 0; 77 and a reason as its last line: there is
# nothing to run it on; 124: time was up; anything else: it failed.
failed=0 no_device=0
run_stage() { # NAME SECONDS
  local name=$1 began=$SECONDS status why='' word last="$work/last-$1"
  say "=== $name, at most $2 s"
  deadline=$((SECONDS + $2))
  stage_"$name" </dev/null 2>&1 | tee "$last" | tee -a "$log"
  status=${PIPESTATUS[0]}
  why=$(grep FAILED "$last" | tail -1 | cut -c1-400)
  [ -n "$why" ] || why=$(grep -v '^{' "$last" | grep -v '^[[:space:]]*$' | tail -1 | cut -c1-400)
  case $status in
    0) word=passed why='' ;;
    77) word=skipped; [[ $why != "no CUDA device"* ]] || no_device=$((no_device + 1)) ;;
    124) word='cut off' why="after $((SECONDS - began)) s; what it had is kept" ;;
    *) word=failed failed=$((failed + 1)); why="exit code $status: $why" ;;
  esac
  rm -f "$last"
  say "=== $name: $word${why:+ ($why)}, $((SECONDS - began)) s"
  record stage "$name" kind stage status "$word" seconds "#$((SECONDS - began))" why "$why"
  write_results
}

for i in "${!stages[@]}"; do
  parts=0
  for later in "${stages[@]:i}"; do parts=$((parts + share[$later])); done
  run_stage "${stages[i]}" $(((end - SECONDS) * share[${stages[i]}] / parts))
done
[ ${#stages[@]} -gt 0 ] || write_results # of records that are there

trim_log
[ ! -f "$out/results.md" ] || awk '/^## / { wanted = /Stages|Targets/ } wanted' "$out/results.md"
say "results: $out ($(find "$out" -type f | wc -l) files)"
if [ $failed -gt 0 ]; then
  say "run.sh: $failed of ${#stages[@]} stages FAILED"
  exit 1
fi
if [ -z "$card$emulated" ] || [ $no_device -gt 0 ]; then
  say "run.sh: no CUDA device: ${no_card:-CUDA does not see the card that nvidia-smi shows ($card)}; nothing was proven or measured on a GPU"
  exit 3
fi
