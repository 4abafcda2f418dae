#!/usr/bin/env bash
# Runs every fuzz harness for a bounded time, as many at a time as there are processors.
#   scripts/torture/fuzz.sh [seconds each, 10] [build folder, .cache/fuzz]
# What a harness finds beyond its seeds stays in the build folder; a crash leaves its input there too and fails the run.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-10}
build=${2:-.cache/fuzz}

generator=()
command -v ninja >/dev/null && generator=(-G Ninja)
cmake -S . -B "$build" "${generator[@]}" -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ -DIOTKIT_FUZZ=ON \
  -DIOTKIT_SANITIZE=address,undefined -DIOTKIT_WERROR=ON >/dev/null
cmake --build "$build" --parallel

fuzz_one() {
  local build=$1 seconds=$2 harness=$3
  local name=${harness##*/fuzz_} found
  found="$build/found/$name"
  mkdir -p "$found"
  if "$harness" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    -artifact_prefix="$build/crash-$name-" "$found" "deps/iotkit/fuzz/corpus/$name" >"$build/$name.log" 2>&1; then
    printf 'ok    %-16s %s runs\n' "$name" "$(awk '/number_of_executed_units/ {print $2}' "$build/$name.log")"
  else
    printf 'FAIL  %s\n' "$name"
    tail -n 40 "$build/$name.log"
    return 1
  fi
}
export -f fuzz_one

shopt -s nullglob
harnesses=("$build"/fuzz/fuzz_*)
if [ ${#harnesses[@]} -eq 0 ]; then
  echo 'there is no fuzz harness in deps/iotkit/fuzz' >&2
  exit 1
fi
printf '%s\0' "${harnesses[@]}" |
  xargs -0 -P "$(nproc)" -I{} bash -c 'set -uo pipefail; fuzz_one "$@"' _ "$build" "$seconds" {}
echo "${#harnesses[@]} harnesses ran ${seconds} s each"
