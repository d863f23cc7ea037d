#!/bin/sh
# Runs the server under valgrind: tools/valgrind.sh BUILD [memcheck|massif|callgrind|helgrind] [server options …]
# A build with -Dalloc=libc shows every allocation; with jemalloc valgrind sees none.
set -eu
build=${1:?usage: tools/valgrind.sh BUILD [TOOL] [server options]}
tool=${2:-memcheck}
shift
[ $# -eq 0 ] || shift
case $tool in
memcheck) options="--leak-check=full --show-leak-kinds=definite,indirect --track-origins=yes --error-exitcode=99" ;;
massif) options="--massif-out-file=massif.out" ;;
callgrind) options="--callgrind-out-file=callgrind.out --separate-threads=yes" ;;
helgrind) options="" ;;
*) echo "valgrind.sh: unknown tool $tool" >&2; exit 2 ;;
esac
if objdump -p "$build/tokamak-server" | grep -q jemalloc; then
    echo "valgrind.sh: this build uses jemalloc; meson setup build-valgrind -Dalloc=libc --buildtype=debugoptimized" >&2
fi
# shellcheck disable=SC2086
exec valgrind --tool="$tool" --fair-sched=try $options "$build/tokamak-server" --io-threads 2 --save "" "$@"
