#!/bin/sh
# build.sh SOURCE OUTPUT.c WORK: installs the locked packages into WORK, once, and runs build.mjs there.
set -eu
source=$1
output=$2
work=$3
fail() {
    echo "console: $1; meson configure -Dconsole=disabled builds without the web console" >&2
    exit 1
}

command -v node >/dev/null && command -v npm >/dev/null ||
    fail "node and npm are missing (tools/install-deps.sh build)"
mkdir -p "$work"
if ! cmp -s "$source/package-lock.json" "$work/installed-lock.json"; then
    cp "$source/package.json" "$source/package-lock.json" "$source/.npmrc" "$work"
    npm ci --prefix "$work" --ignore-scripts --prefer-offline --silent >"$work/npm.log" 2>&1 ||
        fail "npm could not install esbuild and uplot (offline? see $work/npm.log)"
    cp "$source/package-lock.json" "$work/installed-lock.json"
fi
node "$source/build.mjs" "$output" "$work" || fail "the build failed"
