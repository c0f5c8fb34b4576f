#!/bin/sh
# Writes bindings/src/generated/java from native/include/gatun.h with jextract, or checks what is committed.
#   bindings/regenerate.sh            rewrite the generated files (needs jextract 25: https://jdk.java.net/jextract)
#   bindings/regenerate.sh --check    exit 1 if header or generated files changed since; with jextract, compare all text too
#   JEXTRACT=/path/to/jextract        use that one instead of the one on PATH
set -eu
cd "$(dirname "$0")/.."
jextract=${JEXTRACT:-jextract}
header=native/include/gatun.h
generated=bindings/src/generated/java
stamp=bindings/src/generated/stamp.sha256
mode=${1:-write}
case $mode in write | --check) ;; *) sed -n '2,5p' "$0" >&2; exit 2 ;; esac

# Two lines: the header the files were made from, and the files themselves (so that a hand edit of them shows).
hashes() { # the folder of the generated files
  sha256sum <"$header" | cut -d' ' -f1
  (cd "$1" && find . -type f | LC_ALL=C sort | xargs cat | sha256sum | cut -d' ' -f1)
}

if [ "$mode" = --check ] && [ "$(cat "$stamp")" != "$(hashes "$generated")" ]; then
  echo "bindings are stale: $header or $generated changed since they were generated; run bindings/regenerate.sh" >&2
  exit 1
fi
if ! command -v "$jextract" >/dev/null 2>&1; then
  [ "$mode" = --check ] && { echo "bindings: hashes match (no jextract here, so the text was not generated again)"; exit 0; }
  echo "no jextract on PATH and JEXTRACT is not set; get version 25 from https://jdk.java.net/jextract" >&2
  exit 2
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# Only what our own header declares: without the filter jextract also binds stdint.h's limits.
"$jextract" --dump-includes "$tmp/all" "$header" 2>/dev/null
grep '^--include' "$tmp/all" | grep '# header: .*gatun\.h$' | sed 's/ *#.*//' | LC_ALL=C sort >"$tmp/args"
"$jextract" @"$tmp/args" --output "$tmp/java" -t dev.gatun.bindings --header-class-name GatunC "$header" 2>/dev/null
# libclang 14 and older print f(void) as f(): the only difference between libclang 13 and 22 for our header.
find "$tmp/java" -name '*.java' -exec sed -i 's/(void)/()/' {} +
# The same structs, fields and constants for the C compiler: native/test/abi_dump.c prints what it makes of them.
{
  echo "// Written by bindings/regenerate.sh: what the bindings have, for native/test/abi_dump.c."
  for file in "$tmp"/java/dev/gatun/bindings/gatun_*.java; do
    struct=$(basename "$file" .java)
    echo "STRUCT($struct);"
    sed -n 's/.*static final long \([a-z0-9_]*\)\$OFFSET = .*/\1/p' "$file" | sed "s/.*/FIELD($struct, &);/"
  done
  sed -n 's/^    public static int \(GATUN_[A-Z0-9_]*\)() {$/CONSTANT(\1);/p' "$tmp/java/dev/gatun/bindings/GatunC.java"
} >"$tmp/java/abi_list.h"
if [ "$mode" = --check ]; then
  diff -ru "$generated" "$tmp/java" || { echo "bindings are stale; run bindings/regenerate.sh" >&2; exit 1; }
  echo "bindings match $header"
else
  rm -rf "$generated"
  mkdir -p "$generated"
  cp -R "$tmp/java/." "$generated"
  hashes "$generated" >"$stamp"
  echo "wrote $generated"
fi
