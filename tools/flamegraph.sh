#!/bin/sh
# Where a running server spends its time, as a flame graph: tools/flamegraph.sh PID [SECONDS] [OUTPUT.svg]
# Needs perf. Draws with flamegraph.pl (github.com/brendangregg/FlameGraph) if it is in PATH; without it writes the
# folded stacks, which speedscope.app and others read.
set -eu
pid=${1:?usage: tools/flamegraph.sh PID [SECONDS] [OUTPUT.svg]}
seconds=${2:-10}
output=${3:-flame.svg}
data=$(mktemp)
trap 'rm -f "$data"' EXIT
# The build keeps frame pointers, so stacks are cheap and whole. perf says "failed" when the sleep is over.
perf record --freq 997 --call-graph fp --pid "$pid" --output "$data" -- sleep "$seconds" > /dev/null
folded=$(dirname "$output")/$(basename "$output" .svg).folded
perf script --input "$data" --fields comm,ip,sym 2> /dev/null | awk '
    # A sample: its thread, then frames from the innermost out, then an empty line.
    /^[^ \t]/ { thread = $1; stack = ""; next }
    NF == 0   { if (thread != "") count[thread stack]++; thread = ""; next }
              { name = $2; sub(/\+0x[0-9a-f]+$/, "", name); stack = ";" name stack }
    END       { if (thread != "") count[thread stack]++; for (s in count) print s, count[s] }' > "$folded"
[ -s "$folded" ] || { echo "flamegraph: no samples" >&2; exit 1; }
if command -v flamegraph.pl > /dev/null; then
    flamegraph.pl --title "tokamak-server, $seconds s" "$folded" > "$output"
    echo "$output"
else
    echo "$folded (no flamegraph.pl: load it into speedscope.app)"
fi
