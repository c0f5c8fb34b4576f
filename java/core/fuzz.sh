#!/bin/bash
# fuzz.sh SECONDS LIBRARIES CLASSPATH [TARGET...] - lets Jazzer run each fuzzing target of the tests for so long, from the
# committed corpus on. mvn verify -Pnightly calls it. An input that fails lies in target/fuzz/TARGET then: copy it into
# src/test/resources/fuzz/TARGET, where every build tries it.
set -euo pipefail
seconds=$1 libraries=$2 classpath=$3
shift 3
[ $# -gt 0 ] || set -- safetensors checkpoint specification
core=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
. "$core/../../.mvn/find-jdk.sh"
find_jdk

for target in "$@"; do
  folder=$core/target/fuzz/$target corpus=$core/src/test/resources/fuzz/$target
  mkdir -p "$folder/found" "$folder/crashes"
  echo "fuzzing $target for $seconds s"
  "$jdk/bin/java" -XX:+EnableDynamicAgentLoading --enable-native-access=ALL-UNNAMED \
    -Dgatun.library.path="$libraries" -cp "$classpath" com.code_intelligence.jazzer.Jazzer \
    --target_class="dev.gatun.${target^}Fuzz" --instrumentation_includes='dev.gatun.**' \
    --reproducer_path="$folder" -max_len=4096 -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 \
    -max_total_time="$seconds" -artifact_prefix="$folder/crashes/" "$folder/found" "$corpus" >"$folder/log" 2>&1 || { tail -60 "$folder/log"; echo "fuzz.sh: $target failed, see $folder" >&2; exit 1; }
  grep -E 'stat::number_of_executed_units|DONE' "$folder/log" | tail -2
done
