#!/bin/bash
# Formats all sources: Java by spotless (pom.xml has the rules), C++ and CUDA by clang-format 14 (.clang-format).
#   ./format.sh            rewrite what is not formatted
#   ./format.sh --check    change nothing, list it, exit 1 if there is any
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
cd "$root"
. .mvn/find-jdk.sh
case ${1:-} in
  '') goal=apply ;;
  --check) goal=check ;;
  *) sed -n '2,4s/^# //p' "$0" >&2; exit 2 ;;
esac

# Another version formats a little differently, so it has to be this one.
clang_format=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$clang_format" ] || ! "$clang_format" --version | grep -q 'version 14\.'; then
  echo "format.sh: needs clang-format 14: apt-get install clang-format-14" >&2
  exit 2
fi
status=0
while read -r file; do
  if [ $goal = apply ]; then
    "$clang_format" -i "$file"
  else
    "$clang_format" "$file" | cmp -s - "$file" || { echo "$file" >&2; status=1; }
  fi
done < <(find native -regex '.*\.\(h\|c\|cpp\|cu\|cuh\)')

# Maven itself has to run on the new JDK: the formatter parses with the compiler of the JVM it runs in.
find_jdk || exit 2
JAVA_HOME=$jdk MAVEN_OPTS="${MAVEN_OPTS:-} --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow" \
  mvn -q -B --fail-at-end -pl '!java/bom' "spotless:$goal" || status=1
[ $status = 0 ] || { [ "$goal" = apply ] || echo "not formatted: run ./format.sh" >&2; }
exit $status
