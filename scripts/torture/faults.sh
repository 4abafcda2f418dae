#!/usr/bin/env bash
# Runs every scenario of deps/iotkit/test/faults once for each call and each error, under sanitizers.
#   scripts/torture/faults.sh [build folder, .cache/faults]
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-.cache/faults}

generator=()
command -v ninja >/dev/null && generator=(-G Ninja)
cmake -S . -B "$build" "${generator[@]}" -DIOTKIT_BUILD_TESTS=ON -DIOTKIT_BUILD_EXAMPLES=OFF -DIOTKIT_WERROR=ON \
  -DIOTKIT_SANITIZE=address,undefined >/dev/null
programs=(faults_files faults_memory faults_sockets)
cmake --build "$build" --parallel --target "${programs[@]}"

# Some kernels leave a sanitizer no room among randomised addresses.
launcher=()
setarch -R true 2>/dev/null && launcher=(setarch -R)
failed=0
for program in "${programs[@]}"; do
  echo "$program"
  no_proxy='*' "${launcher[@]}" "$(find "$build" -type f -name "$program" | head -n 1)" --all || failed=1
done
exit "$failed"
