#!/bin/sh
# Runs the suites on a finished build: quick | long | sanitizer DIR | sanitizer-short DIR.
set -u
mode=${1:?usage: tools/run-tests.sh quick|long|sanitizer|sanitizer-short [BUILD]}
dir=${2:-build}
python=${PYTHON:-/usr/bin/python3}
# Tests mostly wait, so two processes share them, file by file.
pytest="$python -m pytest -n ${TEST_PROCESSES:-2} --dist loadfile"
failed=0

export TOKAMAK_SERVER="$PWD/$dir/tokamak-server"
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=0:second_deadlock_stack=1}"

# The linearizability checker must find the anomaly of a build with locks left out.
build_broken() {
    [ -e build-broken/build.ninja ] ||
        meson setup build-broken -Dconsole=disabled -Dbroken_lock=true -Dsched_fuzz=true -Db_lto=false --buildtype=debugoptimized >/dev/null
    ninja -C build-broken tokamak-server >/dev/null && export TOKAMAK_BROKEN_SERVER="$PWD/build-broken/tokamak-server"
}

# Runs pytest. On a shared machine a test may fail because the machine stood still: up to five that failed run once more,
# by themselves, under the heading `.ci/run` knows, and stay named in the output. A server that crashed or reported a
# defect gets no second run.
pytest_twice() {
    keep=$(mktemp -d)
    { $pytest -o cache_dir="$keep/cache" "$@"; echo $? >"$keep/code"; } | tee "$keep/log"
    code=$(cat "$keep/code")
    again=$(grep -cE '^(FAILED|ERROR) ' "$keep/log")
    if [ "$code" -eq 1 ] && [ "$again" -gt 0 ] && [ "$again" -le 5 ] &&
        ! grep -qE 'server report:|server ended' "$keep/log"; then
        echo "== again, once, the $again above"
        $pytest -o cache_dir="$keep/cache" --last-failed "$@"
        code=$?
    fi
    rm -rf "$keep"
    return "$code"
}

# Unit tests: all cases instead of a sample; kills and power failures in full number.
[ "$mode" = long ] && export TOKAMAK_LONG=1 POWER_LOSS_RUNS=10000 CRASH_KILLS=300 FAULT_ROUNDS=100
$python tools/check_layers.py || failed=1
# A test file that cannot be imported would stop pytest only after the long part.
collected=$($python -m pytest tests --collect-only -q 2>&1) || { echo "$collected"; exit 1; }
meson test -C "$dir" --print-errorlogs --timeout-multiplier 4 || failed=1
case $mode in
quick)
    build_broken || failed=1
    pytest_twice tests || failed=1
    ;;
long)
    build_broken || failed=1
    TOKAMAK_AXES=product DIFF_COMMANDS=400000 STORM_COMMANDS=2000000 $pytest tests || failed=1
    ;;
sanitizer)
    STORM_COMMANDS=2000000 $pytest tests -m "not release" || failed=1
    ;;
sanitizer-short)
    # Short: the smoke set and the storms; `make asan` and `make tsan` run everything.
    export TOKAMAK_AXES=default DIFF_COMMANDS=30000 STORM_COMMANDS=100000
    pytest_twice tests -m "smoke and not release" || failed=1
    pytest_twice tests/integration/test_storm.py tests/integration/test_multi_storm.py -m "not release" || failed=1
    ;;
esac
exit $failed
