#!/bin/bash
# Packs what a machine with a GPU and no JDK needs for bench/gpu/run.sh into one folder: native sources, scripts, jars, test
# classes with the traces, and a Java runtime of the few modules they use. Needs a JDK 25 and Maven here.
#   bench/gpu/bundle.sh [FOLDER]      default gpu-bundle; there, FOLDER/bench/gpu/run.sh runs, and so does the one of a
#                                     checkout that FOLDER lies in
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
case ${1:-} in -h | --help) sed -n '2,5s/^# //p' "$0"; exit 0 ;; esac
folder=${1:-$root/gpu-bundle}
limit=40 # MiB, so that it can be taken anywhere

fail() { echo "bundle.sh: $*" >&2; exit 2; }
command -v mvn >/dev/null || fail "needs Maven: apt-get install maven"
. "$root/.mvn/find-jdk.sh"
find_jdk || exit 2
cd "$root"
if [ -e "$folder" ] && [ ! -f "$folder/COMMIT" ]; then fail "$folder exists and is no bundle; give another folder"; fi

console=org.junit.platform:junit-platform-console-standalone
version=$(sed -n 's/.*<junit.version>\(.*\)<\/junit.version>.*/\1/p' pom.xml)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
maven() { # plug-ins ask for a JDK 25 through toolchains, as in every build
  mvn -q -B "$@" </dev/null >"$log" 2>&1 || { cat "$log" >&2; fail "mvn $* failed; its output is above"; }
}
echo "building the jars and test classes"
maven -DskipTests -pl java/cli -am package
new=$folder.new
rm -rf "$new"
mkdir -p "$new/java/lib"
jar() { # its file in the local repository, fetched if need be
  maven dependency:copy -Dartifact="$1" -DoutputDirectory="$new/java/lib" -N
}
jar "$console:$version"
jar "org.assertj:assertj-core:$(sed -n 's/.*<assertj.version>\(.*\)<\/assertj.version>.*/\1/p' pom.xml)"
cp bindings/target/gatun-bindings-*.jar java/core/target/gatun-[0-9]*.jar java/cli/target/gatun-cli-*.jar "$new/java/lib"
# of the command line's libraries all but DJL's, its PyTorch and the charts': info, replay and bench do without
tr : '\n' <java/cli/target/classpath | grep -E '/(picocli|gson|progressbar|jline|slf4j)[^/]*\.jar$' | xargs -r cp -t "$new/java/lib"
cp -r java/core/target/test-classes "$new/java/tests"
libraries=$(printf '%s:' "$new"/java/lib/*.jar)
"$jdk/bin/javac" -Xlint:all -d "$new/java/tests" -cp "$libraries" bench/gpu/HostTime.java

echo "linking a Java runtime"
runtime=$(mktemp -d)
# jdk.zipfs: without it JUnit's console finds no tests in jars, and calls that success. zip-0: tar.gz packs it better.
"$jdk/bin/jlink" --add-modules \
  java.base,java.logging,java.management,java.xml,jdk.jfr,jdk.management,jdk.unsupported,jdk.zipfs \
  --strip-debug --no-header-files --no-man-pages --compress zip-0 --output "$runtime/runtime"
tar -czf "$new/runtime.tar.gz" -C "$runtime" runtime
rm -rf "$runtime"

git ls-files -z build-native.sh LICENSE native bench/gpu bindings/src/generated/java/abi_list.h .mvn |
  xargs -0 cp --parents -t "$new"
git rev-parse --short HEAD | sed "s/\$/$([ -z "$(git status --porcelain)" ] || echo ' and changes')/" >"$new/COMMIT"
size=$(du -sm --apparent-size "$new" | cut -f1)
[ "$size" -le $limit ] || fail "$new is $size MiB; the limit is $limit"
rm -rf "$folder"
mv "$new" "$folder"
echo "$folder: $size MiB; there: $folder/bench/gpu/run.sh --help"
