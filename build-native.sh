#!/bin/bash
# Builds the native libraries: libgatun.so and, where nvcc is found, libgatun_cuda.so. Quiet when nothing is to be done.
#   --cuda=auto|on|off     the CUDA backend: if nvcc is there (default), or fail without it, or not at all
#   --sanitize=LIST        address,undefined or thread, for the C++ tests; a JVM needs LD_PRELOAD=DIR/libasan.so for the first
#   --test                 build the C++ tests too, and run them; --test=nightly: also those that take minutes; =build: run none
#   --emulator             build the CUDA backend over an emulated GPU, too, into DIR-emulated: for the Java tests
#   --arch=LIST            CUDA architectures as CMake writes them (default "80-real;90-real;100-real;100-virtual")
#   --check-tools          only say what is missing here to build
#   --output DIR           where the libraries go (default target/native, with --sanitize target/native-<first sanitizer>)
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)

usage() { sed -n '2,9s/^# //p' "$0"; }
fail() { echo "build-native.sh: $*" >&2; exit 2; }

cuda=auto sanitize='' test='' emulator=OFF check=OFF arch='' output=''
default_arch='80-real;90-real;100-real;100-virtual'
while [ $# -gt 0 ]; do
  case $1 in
    --cuda=auto | --cuda=on | --cuda=off) cuda=${1#*=} ;;
    --sanitize=*) sanitize=${1#*=} ;;
    --test) test=Release ;;
    --test=nightly | --test=build) test=${1#*=} ;;
    --emulator) emulator=ON ;;
    --check-tools) check=ON ;;
    --arch=*) arch=${1#*=} ;;
    --output=*) output=${1#*=} ;;
    --output) [ $# -ge 2 ] || fail "--output needs a folder"; output=$2; shift ;;
    --help | -h) usage; exit 0 ;;
    *) fail "unknown option '$1'; ./build-native.sh --help lists them" ;;
  esac
  shift
done
case $sanitize in
  '' | thread | address | undefined | address,undefined) ;;
  *) fail "--sanitize=$sanitize: give address,undefined or thread" ;;
esac
if [ -n "$sanitize" ]; then # sanitizers are for host code
  [ "$cuda" != on ] || fail "--sanitize and --cuda=on do not go together"
  [ $emulator = OFF ] || fail "--sanitize and --emulator do not go together: a JVM cannot load the result"
  cuda=off
fi
output=${output:-$root/target/native${sanitize:+-${sanitize%%,*}}}

missing=()
command -v cmake >/dev/null || missing+=("cmake (Debian package cmake)")
command -v "${CXX:-g++}" >/dev/null || missing+=("a C++ compiler (Debian package g++)")
command -v ninja >/dev/null || command -v make >/dev/null || missing+=("ninja or make (Debian package ninja-build)")
nvcc=${CUDACXX:-$(command -v nvcc || { [ -x /usr/local/cuda/bin/nvcc ] && echo /usr/local/cuda/bin/nvcc; } || true)}
[ "$cuda" != on ] || [ -n "$nvcc" ] || missing+=("nvcc (package cuda-nvcc-13-0 of NVIDIA's repository, or leave out --cuda=on)")
if [ ${#missing[@]} -gt 0 ]; then
  printf -v list '%s; ' "${missing[@]}"
  fail "cannot build the native library, missing here: ${list%; }. Debian: apt-get install cmake g++ ninja-build"
fi
[ $check = OFF ] || exit 0
with_cuda=OFF
if [ "$cuda" != off ] && [ -n "$nvcc" ]; then
  with_cuda=ON
  version=$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')
  if [ -z "$arch" ] && [ "$(printf '%s\n' 12.8 "$version" | sort -V | head -1)" != 12.8 ]; then
    old="$nvcc is version $version; 12.8 or newer is needed for compute capability 10.0, or --arch=LIST without it"
    [ "$cuda" = auto ] || fail "$old"
    echo "build-native.sh: libgatun_cuda.so is not built: $old" >&2
    with_cuda=OFF
  fi
fi
arch=${arch:-$default_arch}

mkdir -p "$output"
build=$output/build
exec 9>"$output/.lock" # two builds at once (Maven and the gatun script) take turns
flock 9

# Configures again only when an option or a tool changed; CMake itself watches its files.
tools="${CXX:-g++} $nvcc $root"
tests=OFF
[ -z "$test" ] && [ $emulator = OFF ] || tests=ON
wanted="$tools $with_cuda $sanitize $arch tests=$tests"
# A folder that knows the tests stays as it is: they are built only when asked for.
[ "$(cat "$build/configured" 2>/dev/null)" != "${wanted%OFF}ON" ] || wanted=${wanted%OFF}ON
if [ "$(cat "$build/configured" 2>/dev/null)" != "$wanted" ]; then
  # CMake takes other options for the same folder, but not other compilers.
  [[ "$(cat "$build/configured" 2>/dev/null)" == "$tools "* ]] || rm -rf "$build"
  rm -f "$build/configured"
  generator=()
  ! command -v ninja >/dev/null || generator=(-G Ninja)
  log=$output/configure.log
  cmake "${generator[@]}" -S "$root/native" -B "$build" -DCMAKE_BUILD_TYPE=Release -DGATUN_CUDA=$with_cuda \
    -DGATUN_TESTS=$tests -DGATUN_SANITIZE="$sanitize" -DGATUN_ARCH="$arch" ${nvcc:+-DCMAKE_CUDA_COMPILER="$nvcc"} \
    --no-warn-unused-cli >"$log" 2>&1 || { cat "$log" >&2; fail "CMake could not configure native/; its output is above"; }
  echo "$wanted" >"$build/configured"
fi
targets=(gatun abi_dump)
[ $with_cuda = OFF ] || targets+=(gatun_cuda)
[ $emulator = OFF ] || targets+=(gatun_cuda_emulated)
[ -z "$test" ] || targets=(all)
log=$output/build.log
cmake --build "$build" --parallel "$(nproc)" --target "${targets[@]}" >"$log" 2>&1 || { cat "$log" >&2; fail "the native build failed; the compiler's output is above"; }

[ $with_cuda = ON ] || rm -f "$build/libgatun_cuda.so" # of an earlier build with it

# Libraries appear in one piece under their name: a JVM may have the old one mapped.
install_file() {
  [ -f "$1" ] || { rm -f "$2"; return; }
  cmp -s "$1" "$2" || { cp "$1" "$2.new" && mv "$2.new" "$2"; }
}
install_file "$build/libgatun.so" "$output/libgatun.so"
install_file "$build/libgatun_cuda.so" "$output/libgatun_cuda.so"
install_file "$build/abi_dump" "$output/abi_dump"
# What has to be loaded before a JVM's own libraries.
[[ $sanitize != address* ]] || ln -sf "$("${CXX:-g++}" -print-file-name=libasan.so)" "$output/libasan.so"
if [ $emulator = ON ]; then # a folder of the same names, for -Dgatun.library.path
  mkdir -p "$output-emulated"
  install_file "$build/libgatun.so" "$output-emulated/libgatun.so"
  install_file "$build/test/libgatun_cuda_emulated.so" "$output-emulated/libgatun_cuda.so"
fi

[ -z "$test" ] || [ "$test" = build ] || (cd "$build" && ctest -C "$test" --output-on-failure --parallel "$(nproc)")
