#!/bin/sh
# Installs what is missing of Debian's packages: "build" to compile and run, "test" for the test suites, "fuzz" for libFuzzer, "bench" for what HTTP is measured with.
set -eu
BUILD="gcc libc6-dev meson ninja-build pkg-config libjemalloc-dev liblzf-dev libssl-dev libxxhash-dev liblua5.1-0-dev lua-cjson-dev libmsgpack-dev nodejs npm"
TEST="libcmocka-dev openssl python3-pytest python3-pytest-xdist python3-hypothesis python3-redis python3-rq python3-celery redis-server redis-tools chromium fonts-dejavu-core procps util-linux"
FUZZ="clang libclang-rt-14-dev llvm"
BENCH="wrk nginx-light webdis"

wanted=""
for group in "$@"; do
    case $group in
    build) wanted="$wanted $BUILD" ;;
    test) wanted="$wanted $TEST" ;;
    fuzz) wanted="$wanted $FUZZ" ;;
    bench) wanted="$wanted $BENCH" ;;
    *) echo "install-deps: unknown group $group" >&2; exit 2 ;;
    esac
done

missing=""
for package in $wanted; do
    case $package in
    nodejs) command -v node >/dev/null && continue ;;
    npm) command -v npm >/dev/null && continue ;;
    clang) command -v clang >/dev/null && continue ;;
    esac
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
        missing="$missing $package"
done
[ -z "$missing" ] && exit 0

sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
echo "Installing:$missing"
$sudo apt-get update -qq
# RUNLEVEL=1: a package's service must not start and take port 6379.
$sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $missing
