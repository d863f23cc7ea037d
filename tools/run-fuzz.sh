#!/bin/sh
# Runs every fuzz target of a -Dfuzz=true build for a while each: run-fuzz.sh DIR [SECONDS].
# What libFuzzer finds on the way stays in DIR/corpus; an input that breaks a target is left in DIR/crash-*.
set -u
cd "$(dirname "$0")/.." || exit 1
dir=${1:?usage: tools/run-fuzz.sh BUILD [SECONDS]}
seconds=${2:-60}
failed=0
for target in "$dir"/tests/fuzz/fuzz_*; do
    [ -f "$target" ] && [ -x "$target" ] || continue
    name=${target##*/fuzz_}
    mkdir -p "$dir/corpus/$name"
    echo "== $name"
    # no target may ask for more than 64 MB at once; what it keeps, those that load files count themselves
    "$target" -max_total_time="$seconds" -max_len=4096 -malloc_limit_mb=66 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$dir/crash-$name-" "$dir/corpus/$name" "tests/fuzz/corpus/$name" || failed=1
done
exit $failed
