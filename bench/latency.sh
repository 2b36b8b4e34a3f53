#!/bin/sh
# latency.sh - builds latency.c with plain.c by every compiler there is, on two vector widths, and runs it.
#   bench/latency.sh [the library's prefix, /usr/local] [a shared library of other steps]
set -e
here=$(cd "$(dirname "$0")" && pwd)
prefix=${1:-/usr/local}
build=$(mktemp -d)
trap 'rm -r "$build"' EXIT
: > "$build/plain_variants.inc"
objects=
for cc in gcc clang; do
  command -v $cc > /dev/null || continue
  for width in 256 512; do
    grep -q avx512f /proc/cpuinfo || [ $width = 256 ] || continue
    for order in ROWS COLUMNS; do
      name=plain_${cc}_${width}_$order
      $cc -O3 -march=native -mprefer-vector-width=$width -ffast-math -D$order "-DPLAIN(name)=${name}_##name" \
        -c "$here/plain.c" -o "$build/$name.o"
      echo "VARIANT($name)" >> "$build/plain_variants.inc"
      objects="$objects $build/$name.o"
    done
  done
done
# Without -ffast-math, so that the program starts in the processor's usual mode.
cc -std=gnu11 -O2 -march=native -Wall -Wextra -I"$build" -I"$prefix/include" "$here/latency.c" $objects -L"$prefix/lib" \
  -Wl,-rpath,"$prefix/lib" -lrnnfast -ldl -lm -o "$build/latency"
"$build/latency" $2
