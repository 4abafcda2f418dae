#!/usr/bin/env bash
# Runs tests of the addon where memory and threads go wrong: the addon built with a sanitizer, or under a collector that
# never rests and moves what it finds.
#   scripts/torture/addon.sh address|thread|gc [jest arguments; default: a chosen set of files]
# NODE: the Node.js to run it, which is `node` unless it is set.
# The addon is built by cmake-js in .cache/ci/addon-<kind>; IOTKIT_OTA_PREBUILD makes the package load that one.
set -euo pipefail
cd "$(dirname "$0")/../.."
kind=${1:?address, thread or gc}
shift
case $kind in
  address) sanitizers=address,undefined libraries='libasan.so libubsan.so' ;;
  thread) sanitizers=thread libraries=libtsan.so ;;
  gc) sanitizers='' libraries='' ;;
  *) echo "there is no kind $kind" >&2 && exit 2 ;;
esac

tests=(test/integration/memory test/integration/stop)
[ "$kind" != gc ] && tests+=(test/integration/writers test/integration/chunks test/integration/close)
[ "$kind" = address ] && tests+=(test/sdk/lifecycle)
[ "$kind" = thread ] && tests+=(test/lifecycle/busy)
[ $# -gt 0 ] && tests=("$@")

node=${NODE:-node}
jest=(node_modules/jest/bin/jest.js --maxWorkers 2 --testTimeout 120000)
if [ "$kind" = gc ]; then
  exec "$node" --gc-interval=5000 --stress-compaction "${jest[@]}" "${tests[@]}"
fi

out=.cache/ci/addon-$kind
mkdir -p .cache/ci
CC=gcc CXX=g++ npx --no-install cmake-js compile --out "$out/build" --target iotkit_ota \
  --CDIOTKIT_SANITIZE="$sanitizers" >"$out.log" 2>&1 || { tail -n 40 "$out.log"; exit 1; }

# Node.js itself is not instrumented, so what the compiler would link has to be there from the start.
preload=
for library in $libraries libstdc++.so; do preload+="$(gcc -print-file-name="$library") "; done
# V8 maps its heap where ThreadSanitizer wants its shadow, unless addresses are fixed; it handles faults by itself.
launcher=()
[ "$kind" = thread ] && setarch -R true 2>/dev/null && launcher=(setarch -R)
# A process that exits does not join threads; that they are at their end is another matter, and seen. Reports go to
# files, because a program may go on and say what its test expects; races.mjs tells which of them are ours.
reports=$out/reports
rm -rf "$reports"
mkdir -p "$reports"
tsan=halt_on_error=0:exitcode=0:log_path=$PWD/$reports/of
"${launcher[@]}" env LD_PRELOAD="${preload% }" IOTKIT_OTA_PREBUILD="$PWD/$out" \
  ASAN_OPTIONS=detect_leaks=0:handle_segv=0:alloc_dealloc_mismatch=0:detect_stack_use_after_return=1 \
  UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
  TSAN_OPTIONS="$tsan:second_deadlock_stack=1:report_signal_unsafe=0:report_thread_leaks=0" \
  "$node" "${jest[@]}" "${tests[@]}"
[ "$kind" != thread ] || node scripts/torture/races.mjs "$reports"
