# stages.sh - what run.sh finds out about a machine, and its stages. Each stage_NAME runs in a process of its own, may take
# until $deadline, and ends as run_stage says. Sourced by run.sh.
# shellcheck shell=bash disable=SC2154,SC2034 # variables are run.sh's

# The first of these that can be run.
first_program() {
  local candidate
  for candidate in "$@"; do
    candidate=$(command -v "$candidate" 2>/dev/null) && { echo "$candidate"; return; }
  done
  return 1
}

# nvcc and its companions are often installed and not on the PATH.
find_tools() {
  local newest
  newest=$(printf '%s\n' /usr/local/cuda-*/bin/nvcc /opt/cuda*/bin/nvcc | sort -rV | head -5)
  # shellcheck disable=SC2086 # a list
  nvcc=$(first_program "${CUDACXX:-nvcc}" nvcc /usr/local/cuda/bin/nvcc $newest || true)
  nvcc_version=''
  if [ -n "$nvcc" ]; then
    export CUDACXX=$nvcc
    nvcc_version=$("$nvcc" --version 2>/dev/null | sed -n 's/.*release \([0-9.]*\).*/\1/p')
  fi
  sanitizer=$(first_program compute-sanitizer "$(dirname "$(readlink -f "${nvcc:-/x/x}")")/compute-sanitizer" \
    /usr/local/cuda/bin/compute-sanitizer /usr/local/cuda*/compute-sanitizer/compute-sanitizer \
    /opt/nvidia/nsight-compute/*/compute-sanitizer || true)
  nvidia_smi=$(first_program nvidia-smi /usr/bin/nvidia-smi /usr/local/nvidia/bin/nvidia-smi /usr/lib/wsl/lib/nvidia-smi || true)
  python=$(first_program "${PYTHON:-python3}" python3 /usr/bin/python3 || true)
  commit=$(cat "$root/COMMIT" 2>/dev/null || git -C "$root" -c safe.directory="*" rev-parse --short HEAD 2>/dev/null ||
    cat "$root/gpu-bundle/COMMIT" 2>/dev/null || true)
}

# The first GPU, in nvidia-smi's words; programs say which one CUDA gives them, and results.py compares.
find_card() {
  card='' driver='' memory='' compute='' no_card=''
  if [ -n "$emulated" ]; then no_card='the emulator was asked for'; return; fi
  if [ -z "$nvidia_smi" ]; then no_card='nvidia-smi is not on this machine'; return; fi
  local line
  line=$(timeout 60 "$nvidia_smi" --query-gpu=name,driver_version,memory.total,compute_cap --format=csv,noheader -i 0 2>&1)
  if [[ $? -eq 0 && $line == *', '*', '*', '* ]]; then
    card=${line%%, *} line=${line#*, }
    driver=${line%%, *} line=${line#*, }
    memory=${line%%, *} compute=${line##*, }
  else
    no_card="nvidia-smi says: $(tr '\n' ' ' <<<"$line" | cut -c1-200)"
  fi
}

describe_run() {
  echo "=== Gatun ${commit:-(no commit known)} on $(uname -srm), $(nproc) CPUs, $(date -u +'%F %H:%M UTC'), run $GATUN_BENCH_RUN"
  echo "card: ${card:-none: $no_card}${card:+, driver $driver, $memory, compute capability $compute}"
  echo "nvcc: ${nvcc:-none} $nvcc_version; compute-sanitizer: ${sanitizer:-none}; python: ${python:-none}; out: $out"
  [ -z "$card" ] || timeout 60 "$nvidia_smi" -i 0 --format=csv,noheader \
    --query-gpu=clocks.sm,clocks.mem,temperature.gpu,power.draw,utilization.gpu,memory.used 2>&1 | sed 's/^/clocks, memory clock, temperature, power, load, memory in use: /'
}

# Appends an object to the records: KEY VALUE ...; a value that begins with # is a number.
record() {
  local json='' key value
  while [ $# -gt 1 ]; do
    key=$1 value=$2
    shift 2
    case $value in
      '') continue ;;
      true | '#'*) value=${value#\#} ;;
      *)
        value=$(printf %s "$value" | LC_ALL=C tr '\000-\037' ' ')
        value=${value//\\/\\\\}
        value=\"${value//\"/\\\"}\" ;;
    esac
    json+="${json:+, }\"$key\": $value"
  done
  echo "{$json}" >>"$records"
}

write_results() {
  if [ -z "$python" ]; then
    echo "no python3 here: results stay in $records; bench/gpu/results.py makes pages of them anywhere" | tee -a "$log"
  elif ! "$python" "$here/results.py" "$out" 2>&1 | tee -a "$log"; then
    failed=$((failed + 1))
  fi
}

trim_log() { # what a run leaves must be small enough to be copied anywhere
  [ "$(stat -c %s "$log")" -gt 8000000 ] || return 0
  { head -c 3000000 "$log"; echo; echo '... cut ...'; tail -c 3000000 "$log"; } >"$log.new" && mv "$log.new" "$log"
}

left() { echo $((deadline - SECONDS)); }

# Runs a command for as long as the stage, or for the seconds of limit, may take; 124 if that was not enough.
limited() {
  local seconds=${limit:-$(left)} began=$SECONDS status
  [ "$seconds" -le "$(left)" ] || seconds=$(left)
  [ "$seconds" -gt 0 ] || { echo "no time is left for $1"; return 124; }
  timeout -k 10 "$seconds" "$@"
  status=$?
  # timeout's own kill looks like that of a machine out of memory, which comes earlier
  if [ $status = 137 ] && [ $((SECONDS - began)) -ge "$seconds" ]; then status=124; fi
  return $status
}

# A program of native/bench over the library of this run, told to end a little before it would be ended.
program() { # NAME ARGUMENTS
  local name=$1 lists=()
  shift
  [ -x "$built/build/bench/$name${emulated:+_emulated}" ] || { echo "$built has no $name: run stage build first"; return 1; }
  [ -z "$emulated" ] || lists=(--lists tiny)
  limited "$built/build/bench/$name${emulated:+_emulated}" "$cuda" --records "$records" --seconds $(($(left) - 3)) "$@" "${lists[@]}"
}

# Sets cuda, the library, and designs, those that it can be asked for; fails as stages do where there is no device.
require_device() {
  cuda=$built/libgatun_cuda.so
  [ -z "$emulated" ] || cuda=$built/build/test/libgatun_cuda_emulated.so
  [ -f "$cuda" ] || { echo "there is no $cuda: run stage build first"; return 1; }
  designs=default
  ! grep -q GATUN_CUDA_DESIGN "$built/libgatun.so" || designs=two,fused
  program gpu_capture --only device
}

# A test program by itself, kept as a suite.
suite() { # STAGE NAME COMMAND...
  local stage=$1 name=$2 status why output=$work/suite.log
  shift 2
  limited "$@" >"$output" 2>&1
  status=$?
  tail -40 "$output"
  why=$(tail -1 "$output" | cut -c1-300)
  case $status in
    0) record stage "$stage" kind suite name "$name" status passed why "$why" ;;
    124) record stage "$stage" kind suite name "$name" status 'cut off' why "no failure until then" ;;
    *)
      echo "FAILED: $name: exit code $status"
      record stage "$stage" kind suite name "$name" status failed why "exit code $status: $why" ;;
  esac
  return $status
}

# The worse of two ends of a stage's parts: a failure, then being cut off.
worse() {
  if [ "$1" = 0 ] || { [ "$1" = 124 ] && [ "$2" != 0 ]; }; then echo "$2"; else echo "$1"; fi
}

stage_build() {
  local arch=${compute//./} with=(--cuda=on)
  if [ -n "$native" ]; then
    echo "built already, in $native"
    return 0
  fi
  if [ -n "$emulated" ]; then with=(--cuda=off)
  elif [ -z "$nvcc" ]; then
    echo "no nvcc on the PATH, in CUDACXX or in /usr/local/cuda/bin: install the CUDA toolkit 12.8 or newer"
    return 1
  elif [[ $arch =~ ^[0-9]+$ ]]; then with+=("--arch=$arch-real")
  else
    [ -n "$card" ] || echo "no card here: building for compute capability 9.0, to see that it can be built"
    with+=(--arch=90-real)
  fi
  limited "$root/build-native.sh" "${with[@]}" --test=build --output "$built" || return
  # that the oracle is right on this CPU; the tests of the kernels without a GPU belong to .ci/run
  limit=120 suite build "C++ tests" ctest --test-dir "$built/build" --output-on-failure -j "$(nproc)" \
    -R '^(pool|misuse|reference|bits|finite|numerics|cuda_door)$'
}

stage_bits() {
  require_device || return
  local ended=0 design
  if [ -z "$emulated" ]; then
    for design in ${designs//,/ }; do
      [ "$design" = default ] || export GATUN_CUDA_DESIGN=$design
      limit=$(($(left) / 2)) suite bits "cuda_device_test, $design" "$built/build/test/cuda_device_test" "$cuda"
      ended=$(worse $ended $?)
    done
    unset GATUN_CUDA_DESIGN
  fi
  program gpu_bits --designs "$designs"
  return "$(worse $ended $?)"
}

stage_sanitizer() {
  [ -z "$emulated" ] || { echo "skipped: compute-sanitizer watches real GPUs; build-native.sh --sanitize watches the emulator"; return 77; }
  require_device || return
  [ -n "$sanitizer" ] || { echo "skipped: no compute-sanitizer on the PATH or beside nvcc"; return 77; }
  local ended=0 tool limit share tools=(memcheck racecheck initcheck synccheck) options
  for tool in "${tools[@]}"; do
    share=$(($(left) / (${#tools[@]})))
    tools=("${tools[@]:1}")
    options=(--tool "$tool" --error-exitcode 86 --print-limit 5)
    [ "$tool" != memcheck ] || options+=(--report-api-errors no) # tests ask for more memory than there is
    # every rule, type, design and awkward size with few allocations first; then the tests themselves, as far as they get
    limit=$((share / 2)) suite sanitizer "$tool: all rules, awkward sizes" "$sanitizer" "${options[@]}" \
      "$built/build/bench/gpu_bits" "$cuda" --only lists --lists awkward --designs "$designs"
    ended=$(worse $ended $?)
    limit=$((share / 4)) suite sanitizer "$tool: captured steps" "$sanitizer" "${options[@]}" \
      "$built/build/bench/gpu_capture" "$cuda" --lists tiny --designs "$designs"
    ended=$(worse $ended $?)
    GATUN_TEST_SLOW_BUILD=1 limit=$((share / 4)) suite sanitizer "$tool: cuda_device_test" "$sanitizer" "${options[@]}" \
      "$built/build/test/cuda_device_test" "$cuda"
    ended=$(worse $ended $?)
  done
  return "$ended"
}

# Sets java, classpath and tests: of the bundle, made here first where a JDK and Maven are.
find_java() {
  local jar
  [ -n "$bundle" ] || { echo "skipped: Java runs over the emulator with --bundle only"; return 77; }
  if [ ! -d "$bundle/java/lib" ]; then
    if ! command -v mvn >/dev/null || ! (. "$root/.mvn/find-jdk.sh" && find_jdk) >/dev/null 2>&1; then
      echo "skipped: no Java here, as there is no $bundle: bench/gpu/bundle.sh makes it where a JDK 25 and Maven are"
      return 77
    fi
    limited "$here/bundle.sh" "$bundle" || return
  fi
  if [ ! -x "$work/runtime/bin/java" ] || [ "$bundle/runtime.tar.gz" -nt "$work/runtime/release" ]; then
    rm -rf "$work/runtime"
    tar -xzf "$bundle/runtime.tar.gz" -C "$work" && touch "$work/runtime/release" || return
  fi
  classpath=''
  for jar in "$bundle"/java/lib/*.jar; do classpath+=${classpath:+:}$jar; done
  tests=$bundle/java/tests
  local libraries=$built
  if [ -n "$emulated" ]; then # under the names that Java looks for
    libraries=$work/emulated-libraries
    mkdir -p "$libraries" && ln -sf "$built/build/libgatun.so" "$libraries" &&
      ln -sf "$cuda" "$libraries/libgatun_cuda.so" || return
  fi
  java=("$work/runtime/bin/java" -Xmx2g --enable-native-access=ALL-UNNAMED "-Dgatun.library.path=$libraries")
}

stage_junit() {
  require_device || return
  local report=$work/junit.log selection=(--include-tag device --include-tag cuda) status ran dtype traces
  find_java || return
  traces=("$tests"/traces/*.safetensors)
  if [ -n "$emulated" ]; then # a little of it; the rest is part of mvn verify
    selection+=(--include-classname '.*TraceTest')
    traces=("${traces[0]}")
  fi
  limited "${java[@]}" -Dgatun.test.device=cuda -Dgatun.root="$root" -cp "$classpath:$tests" org.junit.platform.console.ConsoleLauncher \
    execute --scan-classpath "$tests" "${selection[@]}" --fail-if-no-tests --disable-banner --disable-ansi-colors \
    --details=summary >"$report" 2>&1
  status=$?
  tail -150 "$report"
  ran=$(sed -n 's/^\[ *\([0-9]*\) tests successful.*/\1/p' "$report")
  [ $status != 0 ] || [ "${ran:-0}" != 0 ] || status=1 # found, and all skipped
  case $status in 0 | 124) ;; *) echo "FAILED: JUnit on the device: exit code $status, ${ran:-0} tests passed" ;; esac
  record stage junit kind suite name "JUnit on the device" \
    status "$(case $status in 0) echo passed ;; 124) echo 'cut off' ;; *) echo failed ;; esac)" why "${ran:-0} tests passed"
  for dtype in f64 f32; do
    replay_traces "$dtype" "${traces[@]}"
    status=$(worse $status $?)
  done
  return "$status"
}

# Recorded runs of reference implementations, on the card: one by one, as the command ends at the first that it refuses.
replay_traces() { # DTYPE TRACES...
  local dtype=$1 trace status equal=0 refused=0 output=$work/suite.log name="gatun replay --device cuda --dtype $1"
  shift
  for trace; do
    limited "${java[@]}" -cp "$classpath" dev.gatun.cli.Main replay "$trace" --device cuda --dtype "$dtype" >"$output" 2>&1
    status=$?
    if [ $status = 0 ]; then
      equal=$((equal + 1))
    elif [ $status = 3 ] && grep -q 'on the CPU only' "$output"; then # a rule that the CUDA backend does not have
      refused=$((refused + 1))
    else
      tail -20 "$output"
      [ $status = 124 ] || echo "FAILED: $name: $(basename "$trace"): exit code $status"
      record stage junit kind suite name "$name" status "$([ $status = 124 ] && echo 'cut off' || echo failed)" \
        why "$(basename "$trace"): $(tail -1 "$output" | cut -c1-200)"
      return $status
    fi
  done
  record stage junit kind suite name "$name" status passed why "$equal traces, $refused of rules that CUDA does not have"
  [ $equal -gt 0 ] # nothing replayed is nothing shown
}

stage_capture() {
  require_device || return
  local ended
  program gpu_capture --only first
  ended=$?
  program gpu_capture --designs "$designs"
  return "$(worse $ended $?)"
}

stage_times() {
  require_device || return
  local ended lists=(1x64 161x10000 10000x64)
  [ -z "$emulated" ] || lists=(1x64 20x64)
  program gpu_times --designs "$designs"
  ended=$?
  if find_java; then
    limited "${java[@]}" ${emulated:+-Dgatun.bench.bursts=3} -cp "$classpath:$tests" HostTime "${lists[@]}" >"$work/host.log" 2>&1
    ended=$(worse $ended $?)
    cat "$work/host.log"
    grep '^{' "$work/host.log" >>"$records"
  fi
  return "$ended"
}

stage_torch() {
  local options=(--records "$records" --seconds $(($(left) - 5)))
  [ -n "$python" ] || { echo "skipped: no python3 here"; return 77; }
  if [ -n "$emulated" ]; then options+=(--device cpu --lists tiny --no-compile); else require_device || return; fi
  PYTHONUNBUFFERED=1 limited "$python" "$here/torch_times.py" "$built" "${options[@]}"
}
