#!/bin/sh
# Drives the pages of `trainer serve` and `trainer report` in headless Chromium by
# real pointer events.
# Models, and screenshots to be looked at, come to the directory that is given,
# or to target/browser.
#
# What is missing is installed: Node.js and Chromium with apt-get,
# playwright-core, which drives it, and axe-core, which checks accessibility,
# with npm. A browser elsewhere is named by BROWSER.
set -eu
cd "$(dirname "$0")/.."

. scripts/toolchain.sh

out=${1:-target/browser}
mkdir -p "$out"
OUT=$(cd "$out" && pwd)

command -v node >/dev/null || apt_install nodejs
command -v npm >/dev/null || apt_install npm
if [ -z "${BROWSER:-}" ]; then
    command -v chromium >/dev/null || apt_install chromium
    BROWSER=$(command -v chromium)
fi

tools=$PWD/target/browser-tools
packages="playwright-core@1.65.1 axe-core@4.14.1"
if [ "$(cat "$tools/packages" 2>/dev/null)" != "$packages" ]; then
    say "installing $packages with npm"
    mkdir -p "$tools"
    # shellcheck disable=SC2086 # a list of packages
    npm install --prefix "$tools" --no-save --no-package-lock --no-audit --no-fund --ignore-scripts $packages
    echo "$packages" >"$tools/packages"
fi

say "building the program"
cargo build --release --bin trainer

export OUT BROWSER TRAINER="$PWD/target/release/trainer" MODULES="$tools/node_modules" \
    MNIST="$PWD/trainer/data/mnist" WEIGHTS="$PWD/tests/fixtures/pytorch-triplet.safetensors"
node --test --test-reporter=spec tests/browser/serve.test.mjs tests/browser/report.test.mjs
say "screenshots are in $OUT"
