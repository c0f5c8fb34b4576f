# For bash scripts: find_jdk sets jdk to the folder of a JDK 25 or newer, or says what to install and fails.
# shellcheck shell=bash

# The major version of the JDK in a folder, from its release file: starting it to ask would cost a tenth of a second.
version_of() {
  local line=''
  if [ -x "$1/bin/javac" ] && [ -r "$1/release" ]; then
    line=$(grep -m1 '^JAVA_VERSION=' "$1/release" || true)
    line=${line#*\"}
    line=${line%%[!0-9]*}
  fi
  echo "${line:-0}"
}

find_jdk() {
  local candidate version best=0 on_path
  if [ -n "${JAVA_HOME:-}" ] && [ "$(version_of "$JAVA_HOME")" -ge 25 ]; then
    jdk=$JAVA_HOME
    return
  fi
  for candidate in /usr/lib/jvm/*/; do
    version=$(version_of "${candidate%/}")
    [ "$version" -lt 25 ] || [ "$version" -le "$best" ] || { best=$version; jdk=${candidate%/}; }
  done
  [ "$best" -eq 0 ] || return 0
  on_path=$(readlink -f "$(command -v java || true)" || true)
  on_path=${on_path%/bin/java}
  [ -n "$on_path" ] && [ "$(version_of "$on_path")" -ge 25 ] && jdk=$on_path && return
  echo "${0##*/}: needs a JDK 25 or newer, and there is none in JAVA_HOME (${JAVA_HOME:-not set}), /usr/lib/jvm or on the PATH. \
Install one (package openjdk-25-jdk where the distribution has it, else temurin-25-jdk from https://adoptium.net), or set JAVA_HOME." >&2
  return 1
}
